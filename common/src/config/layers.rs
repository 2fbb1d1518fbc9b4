//! From files and variables to one checked tree, and back to text.

pub(super) mod origin;
pub(super) mod error;
pub(super) mod schema;
pub(super) mod mask;
pub(super) mod tree;
pub(super) mod load;
pub(super) mod reader;
pub(super) mod secrets;
pub(super) mod exposed;
pub(super) mod effective;
pub(super) mod reference;
pub(super) mod example;

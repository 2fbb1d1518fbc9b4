//! From files and variables to one checked tree, and back to text.

pub(super) mod difference;
pub(super) mod effective;
pub(super) mod error;
pub(super) mod example;
pub(super) mod exposed;
pub(super) mod load;
pub(super) mod mask;
pub(super) mod reader;
pub(super) mod reference;
pub(super) mod schema;
pub(super) mod secrets;
pub(super) mod tree;

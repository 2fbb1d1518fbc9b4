//! From files and variables to one checked tree, and back to text.

pub(super) mod difference;
pub mod effective;
pub mod error;
pub mod example;
pub(super) mod exposed;
pub mod load;
pub(super) mod mask;
pub(super) mod reader;
pub mod reference;
pub mod schema;
pub(super) mod secrets;
pub(super) mod tree;

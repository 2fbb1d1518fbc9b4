//! Rust sources, as far as the rules have to understand them.

pub(crate) mod token;
pub(crate) mod attribute;
pub(crate) mod function;
pub(crate) mod import;

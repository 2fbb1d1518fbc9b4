//! Checks that the tree keeps the project's own rules: STYLE.md names them, and so does
//! [`rules::ALL`].
//!
//! `cargo test -p quhao-tidy` checks everything; `cargo run -p quhao-tidy` lists what breaks
//! a rule. The crate has no dependencies, so both take seconds.
//!
//! - [`tree`], `file`: the project's files.
//! - `manifest`, `markdown`, `rust`, `test_code`: what is read from them.
//! - `modules`: which module uses which.
//! - [`rules`]: one file a rule; each has an example that breaks it and one that does not.

pub mod tree;
pub mod offence;
pub mod rules;

mod file;
mod manifest;
mod markdown;
mod modules;
mod rust;
mod test_code;

//! What holds for every input of the pure parts.

mod bundle;
mod id;
mod vault;

//! What holds for every input of the pure parts.

mod bundle;
mod decrypt;
mod id;
mod vault;

//! What holds for every input of the pure parts.

mod decrypt;
mod id;
mod repair;
mod vault;
mod verdict;

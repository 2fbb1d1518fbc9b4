//! What holds for every input of the pure parts.

mod dead;
mod decrypt;
mod drain;
mod id;
mod slots;
mod standstill;
mod suspects;
mod vault;
mod verdict;

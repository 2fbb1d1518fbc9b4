//! What holds for every input of the pure parts.

mod answers;
mod bundle;
mod callback_guard;
mod callback_judgement;
mod circuit;
mod dead;
mod decrypt;
mod drain;
mod id;
mod slots;
mod standstill;
mod suspects;
mod token;
mod vault;
mod verdict;

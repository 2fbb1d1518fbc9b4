//! What holds for every input of the pure parts.

mod answers;
mod callback_guard;
mod callback_judgement;
mod callback_share;
mod decrypt;
mod id;
mod repair;
mod standstill;
mod token;
mod vault;
mod verdict;

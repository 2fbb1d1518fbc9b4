//! Rules about who uses whom.

pub(super) mod crates;
pub(super) mod circles;
pub(super) mod seams;
pub(super) mod pure;
pub(super) mod settlement;
pub(super) mod dependencies;

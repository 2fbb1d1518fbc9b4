//! Which deliveries are settled, when, and how.

pub mod in_flight;
pub mod answered;
pub mod dead_letter;

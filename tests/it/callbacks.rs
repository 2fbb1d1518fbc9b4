//! Webhooks: when they are sent, where to, what they say, and what follows a failed attempt.

mod commands;
pub(crate) mod delivery;
mod lost;
mod receiver_failures;
mod refused_targets;
mod targets;
mod unresolvable_hosts;

//! What an operator sees and does: commands, readiness, reload, rotation, logs, load.

mod commands;
mod leaks;
mod load;
mod readiness;
mod reload;
mod rotation;

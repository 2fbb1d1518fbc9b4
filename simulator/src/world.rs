//! The state of one simulated WeChat: its options, its users, and what was called.

pub(crate) mod options;
pub(crate) mod login;
pub(crate) mod phone_tap;
pub(crate) mod user;
pub(crate) mod call_log;
pub(crate) mod counts;
pub(crate) mod frontend;
pub(crate) mod platform;

//! Rules about files and folders.

pub(super) mod length;
pub(super) mod names;
pub(super) mod folders;
pub(super) mod twins;

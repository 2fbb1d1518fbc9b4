//! Rules about what documents say of the code.

mod pattern;
pub(super) mod links;
pub(super) mod paths;
pub(super) mod items;
pub(super) mod metrics;

//! What a run has measured, and how it is shown: a table, JSON and plots.

pub(crate) mod bar;
pub(crate) mod json;
pub(crate) mod plots;
pub(crate) mod promises;
pub(crate) mod summary;
pub(crate) mod svg;
pub(crate) mod table;

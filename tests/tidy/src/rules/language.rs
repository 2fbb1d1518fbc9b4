//! Rules about names and sentences.

pub(super) mod words;
pub(super) mod phrases;
pub(super) mod docs;
pub(super) mod test_names;
pub(super) mod tuples;

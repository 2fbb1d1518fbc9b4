//! Repairs of a submission's fields.

use super::base64_repair::Repair;

/// A repair, and the field that needed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FieldRepair {
    /// `encrypted_data`, whichever name the client used, or `iv`.
    pub(crate) field: &'static str,
    pub(crate) repair: Repair,
}

//! Repairs of a submission's fields.

use quhao_common::process::metrics::RepairedField;

use super::base64_repair::Repair;

/// A repair, and the field that needed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FieldRepair {
    /// The field, whichever name the client used.
    pub(crate) field: RepairedField,
    pub(crate) repair: Repair,
}

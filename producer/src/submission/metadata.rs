//! The caller's own object.

use quhao_common::domain::job::{METADATA_BYTES_MAX, Metadata};

use crate::http::{fields::Fields, json_object::Kind, problem::FieldCode};

/// `metadata`, if it is there.
pub(super) fn read(fields: &mut Fields<'_>) -> Option<Metadata> {
    let raw = fields.typed("metadata", Kind::Object)?;
    if raw.get().len() > METADATA_BYTES_MAX {
        let detail = format!("is longer than {METADATA_BYTES_MAX} bytes of JSON text");
        fields.refuse("metadata", FieldCode::TooLong, detail);
        return None;
    }
    // It goes back to the letter, so it must be something that parsers can read: not
    // hundreds of levels deep, no half surrogates, no numbers beyond a double.
    if serde_json::from_str::<serde_json::Value>(raw.get()).is_err() {
        let detail = "is nested too deep, or has a string or number that JSON parsers refuse";
        fields.refuse("metadata", FieldCode::InvalidValue, detail);
        return None;
    }
    Some(Metadata::new(raw.to_owned()))
}

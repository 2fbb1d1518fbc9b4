//! What the phone button encrypted: ciphertext, vector, and what they should hold.

use quhao_common::{
    domain::{job::Expect, phone::Encrypted},
    process::metrics::RepairedField,
};

use super::{
    base64_repair::{self, RepairError, Repaired},
    combinations::COMBINATIONS,
    repairs::FieldRepair,
};
use crate::http::{fields::Fields, problem::FieldCode};

/// The fields of ciphertext and vector, by every name that they have.
pub(super) const CIPHERTEXT_FIELDS: [&str; 3] = ["encrypted_data", "encryptedData", "iv"];

/// Reads ciphertext and vector, if they are there. If one is there, or `is_needed`, then
/// both have to be.
pub(super) fn read(
    fields: &mut Fields<'_>,
    is_needed: bool,
    repairs: &mut Vec<FieldRepair>,
) -> Option<Encrypted> {
    let data_field = data_field(fields);
    let has_data = fields.has(data_field);
    let has_iv = fields.has("iv");
    if !has_data && (has_iv || is_needed) {
        let detail = format!("is needed: {COMBINATIONS}");
        fields.refuse(data_field, FieldCode::Required, detail);
    }
    if !has_iv && (has_data || is_needed) {
        fields.refuse("iv", FieldCode::Required, format!("is needed: {COMBINATIONS}"));
    }
    let data = take_repaired(fields, data_field, base64_repair::ciphertext, repairs);
    let iv = take_repaired(fields, "iv", base64_repair::iv, repairs);
    Encrypted::new(data?, iv?).ok()
}

/// Returns the name that the client used for `encrypted_data`; refuses both at once.
fn data_field(fields: &mut Fields<'_>) -> &'static str {
    let has_alias = fields.has("encryptedData");
    if has_alias && !fields.has("encrypted_data") {
        return "encryptedData";
    }
    if has_alias {
        let detail = "is another name of encrypted_data; send one of them";
        fields.refuse_if_present("encryptedData", FieldCode::DuplicateField, detail);
    }
    "encrypted_data"
}

/// Takes a field of base64 and decodes it, repairing what transports did to it.
fn take_repaired<T>(
    fields: &mut Fields<'_>,
    field: &'static str,
    repair: fn(&str) -> Result<Repaired<T>, RepairError>,
    repairs: &mut Vec<FieldRepair>,
) -> Option<T> {
    let text = fields.take_text(field)?;
    match repair(&text) {
        Ok(repaired) => {
            let field =
                if field == "iv" { RepairedField::Iv } else { RepairedField::EncryptedData };
            let of_field = repaired.repairs.into_iter().map(|repair| FieldRepair { field, repair });
            repairs.extend(of_field);
            Some(repaired.value)
        }
        Err(error) => {
            let code = match error {
                RepairError::Missing => FieldCode::Empty,
                RepairError::NotBase64 => FieldCode::NotBase64,
                RepairError::Length => FieldCode::WrongLength,
            };
            fields.refuse(field, code, error.to_string());
            None
        }
    }
}

/// Reads `expect`, or returns the default.
pub(super) fn expect(fields: &mut Fields<'_>, has_ciphertext: bool) -> Expect {
    let Some(text) = fields.take_text("expect") else { return Expect::default() };
    let detail = match text.as_str() {
        "phone" => return Expect::Phone,
        "open_data" if has_ciphertext => return Expect::OpenData,
        "open_data" => "open_data needs encrypted_data and iv",
        _ => "must be \"phone\" or \"open_data\"",
    };
    fields.refuse("expect", FieldCode::InvalidValue, detail);
    Expect::default()
}

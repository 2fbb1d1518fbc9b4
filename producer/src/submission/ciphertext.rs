//! What the phone button encrypted: ciphertext, vector, and what they should hold.

use crate::submission::base64_repair::{self, RepairError, Repaired};
use quhao_common::domain::{job::Expect, phone::Encrypted};

use super::{Repairs, work::COMBINATIONS};
use crate::http::{fields::Fields, problem::FieldCode};

/// The fields, by every name that they have.
pub(super) const CIPHERTEXT: [&str; 3] = ["encrypted_data", "encryptedData", "iv"];

/// Ciphertext and vector, if they are there; both have to be if one is, or if they are
/// `needed`.
pub(super) fn read(
    fields: &mut Fields<'_>,
    needed: bool,
    repairs: &mut Repairs,
) -> Option<Encrypted> {
    let data_field = match (fields.has("encrypted_data"), fields.has("encryptedData")) {
        (true, true) => {
            let detail = "is another name of encrypted_data; send one of them";
            fields.discard("encryptedData", FieldCode::DuplicateField, detail);
            "encrypted_data"
        }
        (false, true) => "encryptedData",
        _ => "encrypted_data",
    };
    let (has_data, has_iv) = (fields.has(data_field), fields.has("iv"));
    if !has_data && (has_iv || needed) {
        let detail = format!("is needed: {COMBINATIONS}");
        fields.refuse(data_field, FieldCode::Required, detail);
    }
    if !has_iv && (has_data || needed) {
        fields.refuse("iv", FieldCode::Required, format!("is needed: {COMBINATIONS}"));
    }
    let data = repaired(fields, data_field, base64_repair::ciphertext, repairs);
    let iv = repaired(fields, "iv", base64_repair::iv, repairs);
    Encrypted::new(data?, iv?).ok()
}

fn repaired<T>(
    fields: &mut Fields<'_>,
    field: &'static str,
    repair: fn(&str) -> Result<Repaired<T>, RepairError>,
    repairs: &mut Repairs,
) -> Option<T> {
    let text = fields.text(field)?;
    match repair(&text) {
        Ok(Repaired { value, repairs: undone }) => {
            let label = if field == "iv" { "iv" } else { "encrypted_data" };
            repairs.extend(undone.into_iter().map(|repair| (label, repair)));
            Some(value)
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

/// `expect`.
pub(super) fn expect(fields: &mut Fields<'_>, with_ciphertext: bool) -> Expect {
    let Some(text) = fields.text("expect") else { return Expect::default() };
    let detail = match text.as_str() {
        "phone" => return Expect::Phone,
        "open_data" if with_ciphertext => return Expect::OpenData,
        "open_data" => "open_data needs encrypted_data and iv",
        _ => "must be \"phone\" or \"open_data\"",
    };
    fields.refuse("expect", FieldCode::InvalidValue, detail);
    Expect::default()
}

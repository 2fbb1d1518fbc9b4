//! What there is to do: one of four combinations of fields.

use std::sync::Arc;

use quhao_common::domain::{app::App, job::Work};

use super::{
    ciphertext::{self, CIPHERTEXT_FIELDS},
    combinations::COMBINATIONS,
    credential::{self, CredentialField},
    repairs::FieldRepair,
};
use crate::http::{auth::Authenticated, fields::Fields, problem::FieldCode};

/// Reads the fields of the combination, and refuses those that do not belong to it.
pub(super) fn read(
    fields: &mut Fields<'_>,
    caller: &Authenticated,
    app: Option<&Arc<App>>,
    repairs: &mut Vec<FieldRepair>,
) -> Option<Work> {
    let credential = only_credential(fields);
    refuse_foreign_fields(fields, credential);
    let has_ciphertext = has_ciphertext(fields);
    let needs_ciphertext = credential == Some(CredentialField::Session);
    let code = credential::code(fields);
    let session = credential::session(fields, caller, app);
    let phone_code = credential::phone_code(fields, app);
    let openid = fields.take_openid();
    let encrypted = ciphertext::read(fields, needs_ciphertext, repairs);
    let expect = ciphertext::expect(fields, has_ciphertext);
    match credential? {
        CredentialField::Code if has_ciphertext => {
            Some(Work::LoginAndDecrypt { code: code?, encrypted: encrypted?, expect })
        }
        CredentialField::Code => Some(Work::Login { code: code? }),
        CredentialField::Session => {
            Some(Work::StoredSession { handle: session?, encrypted: encrypted?, expect })
        }
        CredentialField::PhoneCode => Some(Work::PhoneCode { code: phone_code?, openid }),
    }
}

/// Returns whether a field of ciphertext or vector is there.
fn has_ciphertext(fields: &Fields<'_>) -> bool {
    CIPHERTEXT_FIELDS.iter().any(|field| fields.has(field))
}

/// Finds the credential that the other fields have to go with: the first that is there.
/// Refuses a submission without one, and every further one.
fn only_credential(fields: &mut Fields<'_>) -> Option<CredentialField> {
    let present: Vec<CredentialField> =
        CredentialField::ALL.into_iter().filter(|field| fields.has(field.name())).collect();
    let Some((first, others)) = present.split_first() else {
        let has_openid_alone = fields.has("openid") && !has_ciphertext(fields);
        let missing =
            if has_openid_alone { CredentialField::PhoneCode } else { CredentialField::Code };
        let detail = format!("is needed: {COMBINATIONS}");
        fields.refuse(missing.name(), FieldCode::Required, detail);
        return None;
    };
    for other in others {
        let detail = format!("does not go with {}: {COMBINATIONS}", first.name());
        fields.refuse(other.name(), FieldCode::Conflicting, detail);
    }
    Some(*first)
}

/// Refuses the fields that do not go with the credential.
fn refuse_foreign_fields(fields: &mut Fields<'_>, credential: Option<CredentialField>) {
    match credential {
        Some(CredentialField::PhoneCode) => {
            for field in CIPHERTEXT_FIELDS {
                let detail = format!("does not go with phone_code: {COMBINATIONS}");
                fields.refuse_if_present(field, FieldCode::Conflicting, detail);
            }
        }
        // Beside a phone code, which has an error already, an openid is none.
        Some(CredentialField::Code | CredentialField::Session) if !fields.has("phone_code") => {
            let detail = format!("goes with phone_code only: {COMBINATIONS}");
            fields.refuse_if_present("openid", FieldCode::Conflicting, detail);
        }
        _ => {}
    }
}

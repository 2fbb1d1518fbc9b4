//! What there is to do: one of four combinations of fields.

use std::sync::Arc;

use quhao_common::domain::{app::App, job::Work};

use super::{
    Repairs,
    ciphertext::{self, CIPHERTEXT},
    credential,
};
use crate::http::{auth::Authenticated, fields::Fields, problem::FieldCode};

/// The combinations, in words.
pub(super) const COMBINATIONS: &str = "send code alone; code with encrypted_data and iv; session \
                                       with encrypted_data and iv; or phone_code, with or without \
                                       openid";

/// The fields of which one says whom the job is about.
const CREDENTIALS: [&str; 3] = ["code", "session", "phone_code"];

/// Reads the fields of the combination, and refuses those that do not belong to it.
pub(super) fn read(
    fields: &mut Fields<'_>,
    caller: &Authenticated,
    app: Option<&Arc<App>>,
    repairs: &mut Repairs,
) -> Option<Work> {
    let credential = only_credential(fields);
    if credential == Some("phone_code") {
        for field in CIPHERTEXT {
            let detail = format!("does not go with phone_code: {COMBINATIONS}");
            fields.discard(field, FieldCode::Conflicting, detail);
        }
    } else if credential.is_some() && !fields.has("phone_code") {
        let detail = format!("goes with phone_code only: {COMBINATIONS}");
        fields.discard("openid", FieldCode::Conflicting, detail);
    }
    let with_ciphertext = CIPHERTEXT.iter().any(|field| fields.has(field));
    let code = credential::code(fields);
    let session = credential::session(fields, caller, app);
    let phone_code = credential::phone_code(fields, app);
    let openid = fields.openid();
    let encrypted = ciphertext::read(fields, credential == Some("session"), repairs);
    let expect = ciphertext::expect(fields, with_ciphertext);
    match credential? {
        "code" if with_ciphertext => {
            Some(Work::LoginAndDecrypt { code: code?, encrypted: encrypted?, expect })
        }
        "code" => Some(Work::Login { code: code? }),
        "session" => Some(Work::StoredSession { handle: session?, encrypted: encrypted?, expect }),
        _ => Some(Work::PhoneCode { code: phone_code?, openid }),
    }
}

/// The credential that the others have to go with: the first that is there. None or several
/// are refused.
fn only_credential(fields: &mut Fields<'_>) -> Option<&'static str> {
    let mut there = CREDENTIALS.into_iter().filter(|field| fields.has(field));
    let (first, others) = (there.next(), there.collect::<Vec<_>>());
    let Some(first) = first else {
        let with_ciphertext = CIPHERTEXT.iter().any(|field| fields.has(field));
        let with_openid = fields.has("openid") && !with_ciphertext;
        let missing = if with_openid { "phone_code" } else { "code" };
        fields.refuse(missing, FieldCode::Required, format!("is needed: {COMBINATIONS}"));
        return None;
    };
    for other in others {
        let detail = format!("does not go with {first}: {COMBINATIONS}");
        fields.refuse(other, FieldCode::Conflicting, detail);
    }
    Some(first)
}

//! Whom a job is about: a login code, the handle of a session, or the phone button's code.

use std::sync::Arc;

use quhao_common::{
    app::{App, Credential},
    phone::{LOGIN_CODE_BYTES_MAX, LoginCode, PHONE_CODE_BYTES_MAX, PhoneCode},
    session_handle::HandleKey,
};

use super::work::COMBINATIONS;
use crate::{auth::Authenticated, fields::Fields, problem::FieldCode};

/// `code`, if it is there.
pub(super) fn code(fields: &mut Fields<'_>) -> Option<LoginCode> {
    // A LoginCode from the start: it is wiped whatever becomes of it.
    let code = LoginCode::new(fields.text("code")?);
    match flaw(code.expose(), LOGIN_CODE_BYTES_MAX) {
        None => return Some(code),
        Some(FieldCode::Empty) => {
            let detail = "is empty, \"undefined\" or \"null\": wx.login gave no code";
            fields.refuse("code", FieldCode::Empty, detail);
        }
        Some(FieldCode::TooLong) => {
            let detail = format!("is longer than {LOGIN_CODE_BYTES_MAX} characters");
            fields.refuse("code", FieldCode::TooLong, detail);
        }
        Some(other) => {
            let detail = "has characters that no login code has: blanks, control characters or \
                          beyond ASCII";
            fields.refuse("code", other, detail);
        }
    }
    None
}

/// `phone_code`, if it is there.
pub(super) fn phone_code(fields: &mut Fields<'_>, app: Option<&Arc<App>>) -> Option<PhoneCode> {
    let is_given = fields.has("phone_code");
    if is_given && app.is_some_and(|app| matches!(app.credential, Credential::Component)) {
        let detail = "cannot be redeemed here: a third-party platform looks after this app; send \
                      code or session with encrypted_data and iv";
        fields.refuse("phone_code", FieldCode::NotAllowed, detail);
    }
    let code = PhoneCode::new(fields.text("phone_code")?);
    match flaw(code.expose(), PHONE_CODE_BYTES_MAX) {
        None => return Some(code),
        Some(FieldCode::Empty) => {
            let detail = "is empty, \"undefined\" or \"null\": the phone button gave no code";
            fields.refuse("phone_code", FieldCode::Empty, detail);
        }
        Some(FieldCode::TooLong) => {
            let detail = format!("is longer than {PHONE_CODE_BYTES_MAX} characters");
            fields.refuse("phone_code", FieldCode::TooLong, detail);
        }
        Some(other) => {
            let detail = "has characters that no phone code has: blanks, control characters or \
                          beyond ASCII";
            fields.refuse("phone_code", other, detail);
        }
    }
    None
}

/// What keeps `text` from being a code.
fn flaw(text: &str, bytes_max: usize) -> Option<FieldCode> {
    if matches!(text.trim(), "" | "undefined" | "null") {
        Some(FieldCode::Empty)
    } else if text.len() > bytes_max {
        Some(FieldCode::TooLong)
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some(FieldCode::InvalidCharacters)
    } else {
        None
    }
}

/// `session`, if it is there and was made here for this client and app.
pub(super) fn session(
    fields: &mut Fields<'_>,
    caller: &Authenticated,
    app: Option<&Arc<App>>,
) -> Option<HandleKey> {
    let text = fields.text("session")?;
    // Where the app is in doubt, which has its own error, any of the client's will do.
    let apps = app.map_or(caller.apps(), std::slice::from_ref);
    let found = caller.registry.id_keys.verify_session(&text, &caller.client.name, apps);
    if found.is_none() {
        let detail =
            format!("is not a session of this app, as results give it; else {COMBINATIONS}");
        fields.refuse("session", FieldCode::InvalidValue, detail);
    }
    found.map(|(handle, _)| handle.key())
}

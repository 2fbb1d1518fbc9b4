//! Whom a job is about: a login code, the handle of a session, or the phone button's code.

use std::sync::Arc;

use quhao_common::domain::{
    app::{App, Credential},
    phone::{LOGIN_CODE_BYTES_MAX, LoginCode, PHONE_CODE_BYTES_MAX, PhoneCode},
    session_handle::HandleKey,
};

use super::work::COMBINATIONS;
use crate::http::{auth::Authenticated, fields::Fields, problem::FieldCode};

/// A field that holds a code of the platform.
struct CodeField {
    name: &'static str,
    bytes_max: usize,
    /// Who gives such a code.
    giver: &'static str,
    /// What such a code is called.
    called: &'static str,
}

const CODE: CodeField = CodeField {
    name: "code",
    bytes_max: LOGIN_CODE_BYTES_MAX,
    giver: "wx.login",
    called: "login code",
};

const PHONE_CODE: CodeField = CodeField {
    name: "phone_code",
    bytes_max: PHONE_CODE_BYTES_MAX,
    giver: "the phone button",
    called: "phone code",
};

impl CodeField {
    /// Whether `text` can be a code; if not, what is wrong with it is noted.
    fn takes(&self, text: &str, fields: &mut Fields<'_>) -> bool {
        let (code, detail) = if matches!(text.trim(), "" | "undefined" | "null") {
            let detail =
                format!("is empty, \"undefined\" or \"null\": {} gave no code", self.giver);
            (FieldCode::Empty, detail)
        } else if text.len() > self.bytes_max {
            (FieldCode::TooLong, format!("is longer than {} characters", self.bytes_max))
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let called = self.called;
            let detail = format!(
                "has characters that no {called} has: blanks, control characters or beyond ASCII"
            );
            (FieldCode::InvalidCharacters, detail)
        } else {
            return true;
        };
        fields.refuse(self.name, code, detail);
        false
    }
}

/// `code`, if it is there.
pub(super) fn code(fields: &mut Fields<'_>) -> Option<LoginCode> {
    // A LoginCode from the start: it is wiped whatever becomes of it.
    let code = LoginCode::new(fields.text(CODE.name)?);
    CODE.takes(code.expose(), fields).then_some(code)
}

/// `phone_code`, if it is there.
pub(super) fn phone_code(fields: &mut Fields<'_>, app: Option<&Arc<App>>) -> Option<PhoneCode> {
    let is_given = fields.has(PHONE_CODE.name);
    if is_given && app.is_some_and(|app| matches!(app.credential, Credential::Component(_))) {
        let detail = "cannot be redeemed here: a third-party platform looks after this app; send \
                      code or session with encrypted_data and iv";
        fields.refuse(PHONE_CODE.name, FieldCode::NotAllowed, detail);
    }
    let code = PhoneCode::new(fields.text(PHONE_CODE.name)?);
    PHONE_CODE.takes(code.expose(), fields).then_some(code)
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

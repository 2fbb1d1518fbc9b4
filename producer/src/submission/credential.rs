//! Whom a job is about: a login code, the handle of a session, or the phone button's code.

use std::sync::Arc;

use quhao_common::domain::{
    app::{App, Credential},
    phone::{LOGIN_CODE_BYTES_MAX, LoginCode, PHONE_CODE_BYTES_MAX, PhoneCode},
    session_handle::{HandleKey, SessionHandle},
};

use super::combinations::COMBINATIONS;
use crate::http::{auth::Authenticated, fields::Fields, problem::FieldCode};

/// A field that says whom the job is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CredentialField {
    Code,
    Session,
    PhoneCode,
}

impl CredentialField {
    /// Every field, the first that others conflict with first.
    pub(super) const ALL: [Self; 3] = [Self::Code, Self::Session, Self::PhoneCode];

    /// Returns the field's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Session => "session",
            Self::PhoneCode => "phone_code",
        }
    }
}

/// The rules of a field that holds a code of the platform.
struct CodeRules {
    field: CredentialField,
    bytes_max: usize,
    /// What issues such codes.
    issuer: &'static str,
    /// What such a code is called.
    noun: &'static str,
}

const CODE: CodeRules = CodeRules {
    field: CredentialField::Code,
    bytes_max: LOGIN_CODE_BYTES_MAX,
    issuer: "wx.login",
    noun: "login code",
};

const PHONE_CODE: CodeRules = CodeRules {
    field: CredentialField::PhoneCode,
    bytes_max: PHONE_CODE_BYTES_MAX,
    issuer: "the phone button",
    noun: "phone code",
};

impl CodeRules {
    /// Returns whether `text` can be a code; if not, records what is wrong with it.
    fn check(&self, text: &str, fields: &mut Fields<'_>) -> bool {
        let (code, detail) = if matches!(text.trim(), "" | "undefined" | "null") {
            let detail =
                format!("is empty, \"undefined\" or \"null\": {} gave no code", self.issuer);
            (FieldCode::Empty, detail)
        } else if text.len() > self.bytes_max {
            (FieldCode::TooLong, format!("is longer than {} characters", self.bytes_max))
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let noun = self.noun;
            let detail = format!(
                "has characters that no {noun} has: blanks, control characters or beyond ASCII"
            );
            (FieldCode::InvalidCharacters, detail)
        } else {
            return true;
        };
        fields.refuse(self.field.name(), code, detail);
        false
    }
}

/// Reads `code`, if it is there.
pub(super) fn code(fields: &mut Fields<'_>) -> Option<LoginCode> {
    // A LoginCode from the start: it is wiped whatever becomes of it.
    let code = LoginCode::new(fields.take_text(CODE.field.name())?);
    CODE.check(code.expose(), fields).then_some(code)
}

/// Reads `phone_code`, if it is there.
pub(super) fn phone_code(fields: &mut Fields<'_>, app: Option<&Arc<App>>) -> Option<PhoneCode> {
    let name = PHONE_CODE.field.name();
    if fields.has(name)
        && app.is_some_and(|app| matches!(app.credential, Credential::ThirdPartyPlatform(_)))
    {
        let detail = "cannot be redeemed here: a third-party platform looks after this app; send \
                      code or session with encrypted_data and iv";
        fields.refuse(name, FieldCode::NotAllowed, detail);
    }
    let code = PhoneCode::new(fields.take_text(name)?);
    PHONE_CODE.check(code.expose(), fields).then_some(code)
}

/// Reads `session`, if it is there. It has to be a handle that quhao made for this client
/// and app.
pub(super) fn session(
    fields: &mut Fields<'_>,
    caller: &Authenticated,
    app: Option<&Arc<App>>,
) -> Option<HandleKey> {
    let text = fields.take_text("session")?;
    // Without a valid app_id, which is an error of its own, it may be of any of the client's
    // apps.
    let apps = app.map_or(caller.apps(), std::slice::from_ref);
    let found = SessionHandle::verify(&text, &caller.registry.id_keys, &caller.client.name, apps);
    if found.is_none() {
        let detail =
            format!("is not a session of this app, as results give it; else {COMBINATIONS}");
        fields.refuse("session", FieldCode::InvalidValue, detail);
    }
    let (handle, _) = found?;
    Some(handle.key())
}

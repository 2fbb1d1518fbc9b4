//! A request's body, field by field. Pure.
//!
//! Each field is taken out of the body, and everything that is wrong is gathered: a field
//! of a wrong type does not hide what is wrong with the others, and the caller gets all
//! errors at once.

use std::{borrow::Cow, sync::Arc};

use quhao_common::domain::app::{App, AppId};
use serde_json::value::RawValue;

use crate::http::{
    auth::Authenticated,
    json_object::{JsonKind, JsonObject, kind},
    problem::{FieldCode, FieldError, Problem},
};

/// A body that is being read, and the errors found so far.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    object: JsonObject<'a>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// Parses `body`. `header_error` is an error of the headers, to be reported with those
    /// of the body.
    pub(crate) fn parse(body: &'a [u8], header_error: Option<FieldError>) -> Result<Self, Problem> {
        let object = JsonObject::read(body)?;
        Ok(Self { object, errors: header_error.into_iter().collect() })
    }

    /// Returns whether the field is there and was not taken yet.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.object.has(field)
    }

    /// Records an error. `detail` must not repeat what was sent.
    pub(crate) fn refuse(
        &mut self,
        field: &'static str,
        code: FieldCode,
        detail: impl Into<Cow<'static, str>>,
    ) {
        self.errors.push(FieldError::new(field, code, detail));
    }

    /// Takes a field that does not belong in this request and, if it is there, records an
    /// error, whatever it holds.
    pub(crate) fn refuse_if_present(
        &mut self,
        field: &'static str,
        code: FieldCode,
        detail: impl Into<Cow<'static, str>>,
    ) {
        if self.object.take(field).is_some() {
            self.refuse(field, code, detail);
        }
    }

    /// Takes the field's JSON text, if it is there and of the right type.
    pub(crate) fn take(&mut self, field: &'static str, wanted: JsonKind) -> Option<&'a RawValue> {
        let raw = self.object.take(field)?;
        match kind(raw) {
            found if found == wanted => Some(raw),
            JsonKind::Null => {
                let detail =
                    format!("must be {}; leave the field out instead of null", wanted.name());
                self.refuse(field, FieldCode::WrongType, detail);
                None
            }
            _ => {
                self.refuse(field, FieldCode::WrongType, format!("must be {}", wanted.name()));
                None
            }
        }
    }

    /// Takes the field's text, if it is there and is a string.
    pub(crate) fn take_text(&mut self, field: &'static str) -> Option<String> {
        let raw = self.take(field, JsonKind::Text)?;
        let text = serde_json::from_str(raw.get()).ok();
        if text.is_none() {
            self.refuse(field, FieldCode::InvalidCharacters, "is not a valid Unicode string");
        }
        text
    }

    /// Takes `app_id` and returns that app of the caller's; without the field, the only app.
    pub(crate) fn take_app(&mut self, caller: &Authenticated) -> Option<Arc<App>> {
        let apps = caller.apps();
        if !self.has("app_id") {
            if let [app] = apps {
                return Some(Arc::clone(app));
            }
            let detail = match apps {
                [] => "is needed, and this client owns no app",
                _ => "is needed: this client owns several apps",
            };
            self.refuse("app_id", FieldCode::Required, detail);
            return None;
        }
        let wanted = self.take_text("app_id")?;
        let app = AppId::new(&wanted)
            .ok()
            .and_then(|id| caller.registry.directory.app_of(&caller.client.name, &id));
        if app.is_none() {
            self.refuse("app_id", FieldCode::NotFound, "this client owns no such app");
        }
        app.map(Arc::clone)
    }

    /// Takes `openid`: the platform's id of a guest.
    pub(crate) fn take_openid(&mut self) -> Option<String> {
        /// WeChat's have 28 characters; nothing documents a limit.
        const CHARACTERS_MAX: usize = 128;
        let text = self.take_text("openid")?;
        if text.is_empty() {
            self.refuse("openid", FieldCode::Empty, "is empty");
        } else if text.len() > CHARACTERS_MAX {
            let detail = format!("is longer than {CHARACTERS_MAX} characters");
            self.refuse("openid", FieldCode::TooLong, detail);
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let detail = "has characters that no openid has: blanks, control characters or beyond \
                          ASCII";
            self.refuse("openid", FieldCode::InvalidCharacters, detail);
        } else {
            return Some(text);
        }
        None
    }

    /// Returns all errors, and one for each field that was not taken. `known` lists the names
    /// that there are.
    pub(crate) fn into_errors(self, known: &'static str) -> Vec<FieldError> {
        let Self { object, mut errors } = self;
        errors.extend(object.into_errors(known));
        errors
    }
}

//! A request's body, field by field. Pure.
//!
//! Fields are taken out before any is judged, and what is wrong with each is gathered: one
//! with a wrong type does not hide what is wrong with the others, and a caller hears of
//! everything at once.

use std::{borrow::Cow, sync::Arc};

use quhao_common::domain::app::{App, AppId};
use serde_json::value::RawValue;

use crate::http::{
    auth::Authenticated,
    json_object::{JsonObject, Kind, kind},
    problem::{FieldCode, FieldError, Problem},
};

/// A body that is being read, and what was found wrong with it so far.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    object: JsonObject<'a>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// Begins with `body`; `earlier` is what was found wrong with the headers.
    pub(crate) fn of(body: &'a [u8], earlier: Option<FieldError>) -> Result<Self, Problem> {
        Ok(Self { object: JsonObject::read(body)?, errors: earlier.into_iter().collect() })
    }

    /// Whether the field is there and nobody has taken it.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.object.has(field)
    }

    /// Notes what is wrong. `detail` must not repeat what was sent.
    pub(crate) fn refuse(
        &mut self,
        field: &'static str,
        code: FieldCode,
        detail: impl Into<Cow<'static, str>>,
    ) {
        self.errors.push(FieldError::new(field, code, detail));
    }

    /// Refuses a field that has no place in this request, if it is there, whatever it holds.
    pub(crate) fn discard(
        &mut self,
        field: &'static str,
        code: FieldCode,
        detail: impl Into<Cow<'static, str>>,
    ) {
        if self.object.take(field).is_some() {
            self.refuse(field, code, detail);
        }
    }

    /// The field's JSON text, if it is there and of the right type.
    pub(crate) fn typed(&mut self, field: &'static str, wanted: Kind) -> Option<&'a RawValue> {
        let raw = self.object.take(field)?;
        match kind(raw) {
            found if found == wanted => Some(raw),
            Kind::Null => {
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

    /// The field's text, if it is there and is one.
    pub(crate) fn text(&mut self, field: &'static str) -> Option<String> {
        let raw = self.typed(field, Kind::Text)?;
        let text = serde_json::from_str(raw.get()).ok();
        if text.is_none() {
            self.refuse(field, FieldCode::InvalidCharacters, "is not a valid Unicode string");
        }
        text
    }

    /// `app_id`: one of the caller's apps, or its only one.
    pub(crate) fn app(&mut self, caller: &Authenticated) -> Option<Arc<App>> {
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
        let wanted = self.text("app_id")?;
        let app = AppId::new(&wanted)
            .ok()
            .and_then(|id| caller.registry.directory.app_of(&caller.client.name, &id));
        if app.is_none() {
            self.refuse("app_id", FieldCode::NotFound, "this client owns no such app");
        }
        app.map(Arc::clone)
    }

    /// `openid`: the platform's id of a guest.
    pub(crate) fn openid(&mut self) -> Option<String> {
        /// WeChat's have 28 characters; nothing documents a limit.
        const CHARACTERS_MAX: usize = 128;
        let text = self.text("openid")?;
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

    /// Everything that is wrong, with the fields that nobody took. `known` lists the names
    /// that there are.
    pub(crate) fn complaints(self, known: &'static str) -> Vec<FieldError> {
        let Self { object, mut errors } = self;
        errors.extend(object.complaints(known));
        errors
    }
}

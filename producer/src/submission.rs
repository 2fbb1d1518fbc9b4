//! A submission's body, from bytes to typed input. Pure.
//!
//! Fields are taken apart before any is judged, so that one with a wrong type does not
//! hide what is wrong with the others: a caller hears of everything at once.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use quhao_common::{
    app::App,
    job::{DEADLINE_SECONDS, DEADLINE_SECONDS_DEFAULT, Expect, METADATA_BYTES_MAX, Metadata, Work},
    phone::{Encrypted, LOGIN_CODE_BYTES_MAX, LoginCode},
    repair::{self, Repair, RepairError, Repaired},
};
use serde_json::value::RawValue;

use crate::{
    json_object::{JsonObject, Kind, kind},
    problem::{FieldCode, FieldError, Problem},
};

const FIELDS: &str = "app_id, code, encrypted_data, iv, expect, deadline_seconds and metadata";
const COMBINATIONS: &str = "send code alone, or code with encrypted_data and iv";

/// What a client asks for, checked and repaired.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) app: Arc<App>,
    pub(crate) work: Work,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) deadline: Duration,
    /// What had to be undone, by field.
    pub(crate) repairs: Vec<(&'static str, Repair)>,
}

impl Submission {
    /// Reads `body`. `apps` are those of the client; `earlier` is what was found wrong
    /// with the headers.
    pub(crate) fn read(
        body: &[u8],
        apps: &[Arc<App>],
        earlier: Option<FieldError>,
    ) -> Result<Self, Problem> {
        let mut reader = Reader {
            object: JsonObject::read(body)?,
            errors: earlier.into_iter().collect(),
            repairs: Vec::new(),
        };
        let app = reader.app(apps);
        let code = reader.code();
        let with_ciphertext = reader.object.has("encrypted_data")
            || reader.object.has("encryptedData")
            || reader.object.has("iv");
        let encrypted = reader.encrypted();
        let expect = reader.expect(with_ciphertext);
        let deadline = reader.deadline();
        let metadata = reader.metadata();
        let Reader { object, mut errors, repairs } = reader;
        errors.extend(object.complaints(FIELDS));

        // Whatever is missing here has left an error.
        match (app, code, errors.is_empty()) {
            (Some(app), Some(code), true) => {
                let work = match encrypted {
                    None => Work::Login { code },
                    Some(encrypted) => Work::LoginAndDecrypt { code, encrypted, expect },
                };
                Ok(Self { app, work, metadata, deadline, repairs })
            }
            _ => Err(Problem::invalid(errors)),
        }
    }
}

struct Reader<'a> {
    object: JsonObject<'a>,
    errors: Vec<FieldError>,
    repairs: Vec<(&'static str, Repair)>,
}

impl<'a> Reader<'a> {
    fn refuse(
        &mut self,
        field: &'static str,
        code: FieldCode,
        detail: impl Into<std::borrow::Cow<'static, str>>,
    ) {
        self.errors.push(FieldError::new(field, code, detail));
    }

    /// The field's JSON text, if it is there and of the right type.
    fn typed(&mut self, field: &'static str, wanted: Kind) -> Option<&'a RawValue> {
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

    fn text(&mut self, field: &'static str) -> Option<String> {
        let raw = self.typed(field, Kind::Text)?;
        let text = serde_json::from_str(raw.get()).ok();
        if text.is_none() {
            self.refuse(field, FieldCode::InvalidCharacters, "is not a valid Unicode string");
        }
        text
    }

    fn app(&mut self, apps: &[Arc<App>]) -> Option<Arc<App>> {
        if !self.object.has("app_id") {
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
        let app = apps.iter().find(|app| app.id.as_str() == wanted);
        if app.is_none() {
            self.refuse("app_id", FieldCode::NotFound, "this client owns no such app");
        }
        app.map(Arc::clone)
    }

    fn code(&mut self) -> Option<LoginCode> {
        if !self.object.has("code") {
            self.refuse("code", FieldCode::Required, format!("is needed: {COMBINATIONS}"));
            return None;
        }
        // A LoginCode from the start: it is wiped whatever becomes of it.
        let code = LoginCode::new(self.text("code")?);
        let text = code.expose();
        let (wrong, detail) = if matches!(text.trim(), "" | "undefined" | "null") {
            (FieldCode::Empty, "is empty, \"undefined\" or \"null\": wx.login gave no code")
        } else if text.len() > LOGIN_CODE_BYTES_MAX {
            (FieldCode::TooLong, "is longer than 512 characters")
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            (
                FieldCode::InvalidCharacters,
                "has characters that no login code has: blanks, control characters or beyond ASCII",
            )
        } else {
            return Some(code);
        };
        self.refuse("code", wrong, detail);
        None
    }

    fn encrypted(&mut self) -> Option<Encrypted> {
        let field = match (self.object.has("encrypted_data"), self.object.has("encryptedData")) {
            (true, true) => {
                self.object.take("encryptedData");
                let detail = "is another name of encrypted_data; send one of them";
                self.refuse("encryptedData", FieldCode::DuplicateField, detail);
                "encrypted_data"
            }
            (false, true) => "encryptedData",
            _ => "encrypted_data",
        };
        match (self.object.has(field), self.object.has("iv")) {
            (false, false) => return None,
            (true, false) => {
                self.refuse(
                    "iv",
                    FieldCode::Required,
                    format!("is needed with {field}: {COMBINATIONS}"),
                );
            }
            (false, true) => {
                self.refuse(
                    field,
                    FieldCode::Required,
                    format!("is needed with iv: {COMBINATIONS}"),
                );
            }
            (true, true) => {}
        }
        let data = self.repaired(field, repair::ciphertext);
        let iv = self.repaired("iv", repair::iv);
        Encrypted::new(data?, iv?).ok()
    }

    fn repaired<T>(
        &mut self,
        field: &'static str,
        repair: fn(&str) -> Result<Repaired<T>, RepairError>,
    ) -> Option<T> {
        let text = self.text(field)?;
        match repair(&text) {
            Ok(Repaired { value, repairs }) => {
                let label = if field == "iv" { "iv" } else { "encrypted_data" };
                self.repairs.extend(repairs.into_iter().map(|repair| (label, repair)));
                Some(value)
            }
            Err(error) => {
                let code = match error {
                    RepairError::Missing => FieldCode::Empty,
                    RepairError::NotBase64 => FieldCode::NotBase64,
                    RepairError::Length => FieldCode::WrongLength,
                };
                self.refuse(field, code, error.to_string());
                None
            }
        }
    }

    fn expect(&mut self, with_ciphertext: bool) -> Expect {
        let Some(text) = self.text("expect") else { return Expect::default() };
        let detail = match text.as_str() {
            "phone" => return Expect::Phone,
            "open_data" if with_ciphertext => return Expect::OpenData,
            "open_data" => "open_data needs encrypted_data and iv",
            _ => "must be \"phone\" or \"open_data\"",
        };
        self.refuse("expect", FieldCode::InvalidValue, detail);
        Expect::default()
    }

    fn deadline(&mut self) -> Duration {
        const RANGE: RangeInclusive<u64> = DEADLINE_SECONDS;
        let default = Duration::from_secs(DEADLINE_SECONDS_DEFAULT);
        let Some(raw) = self.typed("deadline_seconds", Kind::Number) else { return default };
        let text = raw.get();
        let is_integer = text.strip_prefix('-').unwrap_or(text).bytes().all(|b| b.is_ascii_digit());
        if !is_integer {
            self.refuse("deadline_seconds", FieldCode::WrongType, "must be a whole number");
            return default;
        }
        match text.parse() {
            Ok(seconds) if RANGE.contains(&seconds) => Duration::from_secs(seconds),
            _ => {
                let detail = format!("must be from {} to {}", RANGE.start(), RANGE.end());
                self.refuse("deadline_seconds", FieldCode::OutOfRange, detail);
                default
            }
        }
    }

    fn metadata(&mut self) -> Option<Metadata> {
        let raw = self.typed("metadata", Kind::Object)?;
        if raw.get().len() > METADATA_BYTES_MAX {
            let detail = format!("is longer than {METADATA_BYTES_MAX} bytes of JSON text");
            self.refuse("metadata", FieldCode::TooLong, detail);
            return None;
        }
        // It goes back to the letter, so it must be something that parsers can read: not
        // hundreds of levels deep, no half surrogates, no numbers beyond a double.
        if serde_json::from_str::<serde_json::Value>(raw.get()).is_err() {
            let detail = "is nested too deep, or has a string or number that JSON parsers refuse";
            self.refuse("metadata", FieldCode::InvalidValue, detail);
            return None;
        }
        Some(Metadata::new(raw.to_owned()))
    }
}

#[cfg(test)]
mod tests;

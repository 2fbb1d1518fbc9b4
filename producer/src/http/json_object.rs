//! A JSON object whose members are still text, each at most once. Pure.

use std::collections::HashSet;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::http::problem::{FieldCode, FieldError, Problem, ProblemCode};

/// The members that nobody has taken yet.
#[derive(Debug)]
pub(crate) struct JsonObject<'a> {
    members: Vec<(String, &'a RawValue)>,
    twice: Vec<String>,
}

/// What a JSON text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Object,
    Array,
    Boolean,
    Null,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Number => "a number",
            Self::Object => "an object",
            Self::Array => "an array",
            Self::Boolean => "true or false",
            Self::Null => "null",
        }
    }
}

/// What `raw`, which was parsed before, is.
pub(crate) fn kind(raw: &RawValue) -> Kind {
    match raw.get().as_bytes().first() {
        Some(b'"') => Kind::Text,
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b't' | b'f') => Kind::Boolean,
        Some(b'n') => Kind::Null,
        _ => Kind::Number,
    }
}

impl<'a> JsonObject<'a> {
    /// Reads a body.
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Problem> {
        let text: &RawValue = serde_json::from_slice(body).map_err(malformed)?;
        if kind(text) != Kind::Object {
            return Err(Problem::invalid(vec![FieldError::new(
                "",
                FieldCode::WrongType,
                "the body must be an object",
            )]));
        }
        serde_json::from_str(text.get()).map_err(malformed)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(member, _)| member == name)
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.members.iter().position(|(member, _)| member == name)?;
        Some(self.members.remove(at).1)
    }

    /// What is wrong with the object itself: members that stand twice, and those that
    /// nobody took. `known` lists the names that there are.
    pub(crate) fn complaints(self, known: &'static str) -> impl Iterator<Item = FieldError> {
        let twice = self
            .twice
            .into_iter()
            .map(|name| FieldError::new(name, FieldCode::DuplicateField, "stands more than once"));
        let unknown = self.members.into_iter().map(move |(name, _)| {
            let detail = format!("is no field of this request; there are {known}");
            FieldError::new(name, FieldCode::UnknownField, detail)
        });
        twice.chain(unknown)
    }
}

/// Says where, but not what stands there.
#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn malformed(error: serde_json::Error) -> Problem {
    if error.line() == 0 {
        return ProblemCode::MalformedJson.into();
    }
    Problem::from(ProblemCode::MalformedJson).detail(format!(
        "The body is not one JSON text in UTF-8; see line {}, column {}.",
        error.line(),
        error.column(),
    ))
}

impl<'de> Deserialize<'de> for JsonObject<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = JsonObject<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut object = JsonObject { members: Vec::new(), twice: Vec::new() };
                let mut seen = HashSet::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if seen.insert(name.clone()) {
                        object.members.push((name, value));
                    } else {
                        object.twice.push(name);
                    }
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

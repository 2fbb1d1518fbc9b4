//! A JSON object whose members are still text, each at most once. Pure.

use std::collections::HashSet;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::http::problem::{FieldCode, FieldError, Problem, ProblemCode};

/// The members of a JSON object that were not taken yet.
#[derive(Debug)]
pub(crate) struct JsonObject<'a> {
    members: Vec<(String, &'a RawValue)>,
    /// Names that stood more than once; the first of each is a member.
    repeated: Vec<String>,
}

/// The type of a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonKind {
    Text,
    Number,
    Object,
    Array,
    Boolean,
    Null,
}

impl JsonKind {
    /// Returns the type's name, with its article, for error details.
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

/// Returns the type of `raw`, which is valid JSON.
pub(crate) fn kind(raw: &RawValue) -> JsonKind {
    match raw.get().as_bytes().first() {
        Some(b'"') => JsonKind::Text,
        Some(b'{') => JsonKind::Object,
        Some(b'[') => JsonKind::Array,
        Some(b't' | b'f') => JsonKind::Boolean,
        Some(b'n') => JsonKind::Null,
        _ => JsonKind::Number,
    }
}

impl<'a> JsonObject<'a> {
    /// Parses a body that has to be an object.
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Problem> {
        let text: &RawValue = serde_json::from_slice(body).map_err(malformed)?;
        if kind(text) != JsonKind::Object {
            return Err(Problem::invalid(vec![FieldError::new(
                "",
                FieldCode::WrongType,
                "the body must be an object",
            )]));
        }
        serde_json::from_str(text.get()).map_err(malformed)
    }

    /// Returns whether the member is there and was not taken yet.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(member, _)| member == name)
    }

    /// Takes the member out of the object, if it is there.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.members.iter().position(|(member, _)| member == name)?;
        Some(self.members.remove(at).1)
    }

    /// Returns what is wrong with the object itself: members that stand more than once, and
    /// members that were not taken. `known` lists the names that there are.
    pub(crate) fn into_errors(self, known: &'static str) -> impl Iterator<Item = FieldError> {
        let repeated = self
            .repeated
            .into_iter()
            .map(|name| FieldError::new(name, FieldCode::DuplicateField, "stands more than once"));
        let unknown = self.members.into_iter().map(move |(name, _)| {
            let detail = format!("is no field of this request; there are {known}");
            FieldError::new(name, FieldCode::UnknownField, detail)
        });
        repeated.chain(unknown)
    }
}

/// Returns a problem that says where the JSON is malformed, but not what stands there.
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
                let mut object = JsonObject { members: Vec::new(), repeated: Vec::new() };
                let mut seen = HashSet::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if seen.insert(name.clone()) {
                        object.members.push((name, value));
                    } else {
                        object.repeated.push(name);
                    }
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

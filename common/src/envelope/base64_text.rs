//! Bytes as base64 text inside JSON, for serde's `with`.

use std::fmt;

use base64::{Engine, display::Base64Display, engine::general_purpose::STANDARD_NO_PAD};
use serde::{
    Deserializer, Serializer,
    de::{Error, Visitor},
};

/// Writes bytes as base64 text.
pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Base64Display::new(bytes, &STANDARD_NO_PAD))
}

/// Reads base64 text into bytes.
pub(super) fn deserialize<'de, D, B>(deserializer: D) -> Result<B, D::Error>
where
    D: Deserializer<'de>,
    B: From<Vec<u8>>,
{
    deserializer.deserialize_str(Text).map(B::from)
}

/// Decodes the text where it is, without a copy of it.
struct Text;

impl Visitor<'_> for Text {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64 text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
        STANDARD_NO_PAD.decode(text).map_err(|_| E::custom("not base64"))
    }
}

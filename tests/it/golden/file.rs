//! The data files in `tests/golden`, and the forms that bytes and times have in them.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use data_encoding::HEXLOWER;
use serde_json::Value;

/// Reads a data file.
pub(super) fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    let text = std::fs::read_to_string(&path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns a list of a data file. It is never empty.
pub(super) fn list(name: &str, field: &str) -> Vec<Value> {
    let list = array(&read(name), field).clone();
    assert!(!list.is_empty(), "{name} has nothing in {field:?}");
    list
}

/// Returns the entry with this name of a list of a data file.
pub(super) fn named(file: &str, field: &str, name: &str) -> Value {
    let found = list(file, field).into_iter().find(|entry| entry["name"] == name);
    found.unwrap_or_else(|| panic!("{file} has no {name:?} in {field:?}"))
}

/// Returns a list that must be there.
pub(super) fn array<'a>(of: &'a Value, field: &str) -> &'a Vec<Value> {
    of[field].as_array().unwrap_or_else(|| panic!("no list {field:?} in {of}"))
}

/// Returns a text that must be there.
pub(super) fn text<'a>(of: &'a Value, field: &str) -> &'a str {
    of[field].as_str().unwrap_or_else(|| panic!("no text {field:?} in {of}"))
}

/// Returns a text, or nothing where the field is null or left out.
pub(super) fn maybe_text(of: &Value, field: &str) -> Option<String> {
    (!of[field].is_null()).then(|| text(of, field).to_owned())
}

/// Returns a whole number that must be there.
pub(super) fn number(of: &Value, field: &str) -> i64 {
    of[field].as_i64().unwrap_or_else(|| panic!("no number {field:?} in {of}"))
}

/// Returns a number from 0 to 255 that must be there.
pub(super) fn small(of: &Value, field: &str) -> u8 {
    number(of, field).try_into().unwrap_or_else(|_| panic!("{field:?} is too large in {of}"))
}

/// Returns bytes that are written in base64.
pub(super) fn base64(of: &Value, field: &str) -> Vec<u8> {
    let bytes = STANDARD.decode(text(of, field));
    bytes.unwrap_or_else(|error| panic!("{field:?} is no base64 ({error}) in {of}"))
}

/// Returns bytes that are written in hexadecimal.
pub(super) fn hex(of: &Value, field: &str) -> Vec<u8> {
    from_hex(text(of, field))
}

/// Returns 16 bytes that are written in hexadecimal: a key or a hash.
pub(super) fn hex_16(of: &Value, field: &str) -> [u8; 16] {
    sixteen(&hex(of, field))
}

/// Returns bytes, or nothing where the field is null or left out.
pub(super) fn maybe_hex_16(of: &Value, field: &str) -> Option<[u8; 16]> {
    (!of[field].is_null()).then(|| hex_16(of, field))
}

/// Returns the bytes of a hexadecimal text.
pub(super) fn from_hex(text: &str) -> Vec<u8> {
    let bytes = HEXLOWER.decode(text.as_bytes());
    bytes.unwrap_or_else(|error| panic!("{text:?} is not hexadecimal: {error}"))
}

/// Returns 16 bytes of which there must be no more and no fewer.
pub(super) fn sixteen(bytes: &[u8]) -> [u8; 16] {
    bytes.try_into().unwrap_or_else(|_| panic!("{} bytes and not 16", bytes.len()))
}

/// Writes bytes in base64.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Writes bytes in hexadecimal.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

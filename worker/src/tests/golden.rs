//! The data files in `tests/golden`, for unit tests of what no other crate can see.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use quhao_common::{
    crypto::{
        keyring::{Keyring, Secret32, parse_numbered_secret},
        vault::Vault,
    },
    domain::{app::AppId, client::ClientName, id::IdKeys},
};
use serde_json::Value;

/// Reads a list of a data file. It is never empty.
pub(crate) fn list(name: &str, field: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name);
    let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let list = file[field].as_array().unwrap().clone();
    assert!(!list.is_empty(), "{name} has nothing in {field:?}");
    list
}

/// Returns a text that must be there.
pub(crate) fn text<'a>(of: &'a Value, field: &str) -> &'a str {
    of[field].as_str().unwrap_or_else(|| panic!("no text {field:?} in {of}"))
}

/// Returns bytes that are written in base64.
pub(crate) fn base64(of: &Value, field: &str) -> Vec<u8> {
    STANDARD.decode(text(of, field)).unwrap()
}

/// Returns the client of an entry.
pub(crate) fn client(of: &Value) -> ClientName {
    ClientName::new(text(of, "client")).unwrap()
}

/// Returns the app of an entry.
pub(crate) fn app(of: &Value) -> AppId {
    AppId::new(text(of, "app")).unwrap()
}

/// Returns the number of the key that an entry was made with.
pub(crate) fn key_number(of: &Value) -> u8 {
    u8::try_from(of["key_number"].as_u64().unwrap()).unwrap()
}

fn ring(kind: &str, numbers: &[u8]) -> Keyring<Secret32> {
    let texts = list("secrets.json", kind);
    let all: Vec<_> =
        texts.iter().map(|text| parse_numbered_secret(text.as_str().unwrap()).unwrap()).collect();
    let entry = |number: &u8| all.iter().find(|(of, _)| of == number).unwrap().clone();
    Keyring::new(numbers.iter().map(entry).collect()).unwrap()
}

/// Returns a vault with the seal secrets of these numbers, the newest first.
pub(crate) fn vault(numbers: &[u8]) -> Vault {
    Vault::new(&ring("seal", numbers))
}

/// Returns the id secrets of these numbers, the newest first.
pub(crate) fn id_keys(numbers: &[u8]) -> IdKeys {
    IdKeys::new(ring("id", numbers))
}

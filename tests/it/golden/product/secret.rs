//! The secrets of `secrets.json`, and what is made with them alone: boxes, hashes,
//! signatures.

use quhao_common::{
    crypto::{
        keyring::{Keyring, Secret32, parse_numbered_secret},
        vault::{AssociatedData, HashOf, Vault},
        webhook_signature::{WebhookSecret, signatures},
    },
    domain::id::IdKeys,
};
use serde_json::Value;

use super::super::file::{array, hex, read, text};

/// Returns those secrets of a kind that have these numbers, the newest first. They are written
/// as in a configuration.
fn ring(kind: &str, numbers: &[u8]) -> Keyring<Secret32> {
    let secrets = read("secrets.json");
    let texts = array(&secrets, kind).iter().map(|text| text.as_str().unwrap());
    let all: Vec<_> = texts.map(|text| parse_numbered_secret(text).unwrap()).collect();
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

/// Where a box belongs, by its `table`, `key` and `app`.
#[derive(Debug, Clone)]
pub(crate) struct Where {
    pub(crate) table: String,
    pub(crate) key: Vec<u8>,
    pub(crate) app: String,
}

impl Where {
    /// Reads it from an entry of a data file.
    pub(crate) fn of(entry: &Value) -> Self {
        let (table, app) = (text(entry, "table").to_owned(), text(entry, "app").to_owned());
        Self { table, key: hex(entry, "key"), app }
    }

    fn associated_data(&self) -> AssociatedData<'_> {
        // The product names its tables by constants; these come from a file.
        let table = Box::leak(self.table.clone().into_boxed_str());
        AssociatedData { table, key: &self.key, app: &self.app }
    }

    /// Opens a box that belongs here, with the seal secrets of these numbers.
    pub(crate) fn open(&self, sealed: &[u8], numbers: &[u8]) -> Result<String, String> {
        let opened = vault(numbers)
            .open(self.associated_data(), sealed)
            .map_err(|error| error.to_string())?;
        Ok(String::from_utf8(opened.to_vec()).unwrap())
    }

    /// Seals a text with the seal secret of this number.
    pub(crate) fn seal(&self, text: &[u8], number: u8) -> Vec<u8> {
        vault(&[number]).seal(self.associated_data(), text).into_bytes()
    }
}

/// Hashes a value with the seal secret of this number. `of` says what it is.
pub(crate) fn keyed_hash(of: &str, app: &str, value: &str, number: u8) -> [u8; 16] {
    let of = match of {
        "phone" => HashOf::Phone,
        "guest" => HashOf::Guest,
        "login_code" => HashOf::LoginCode,
        other => panic!("nothing hashes a {other}"),
    };
    vault(&[number]).hash(of, app, value.as_bytes())
}

/// Returns the secrets that sign callbacks.
pub(crate) fn webhook_secrets(texts: &[Value]) -> Vec<WebhookSecret> {
    let texts = texts.iter().map(|text| text.as_str().unwrap());
    texts.map(|text| WebhookSecret::parse(text).unwrap()).collect()
}

/// Signs what `entry` describes.
pub(crate) fn webhook_signature(entry: &Value) -> String {
    let secrets = webhook_secrets(array(entry, "secrets"));
    let timestamp = entry["timestamp"].as_i64().unwrap();
    signatures(&secrets, text(entry, "id"), timestamp, text(entry, "body").as_bytes())
}

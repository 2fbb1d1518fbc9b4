//! Secrets, given as a value or as a file that holds it.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{
    error::Problem,
    load::read_bounded,
    reader::{Found, Section},
};
use crate::crypto::{
    keyring::{Keyring, Secret32, parse_numbered_secret},
    webhook_signature::WebhookSecret,
};

const SECRET_FILE_BYTES_MAX: u64 = 64 << 10;
const WEBHOOK_SECRET: &str = "\"whsec_\" and base64 of 24 to 64 bytes";
const NUMBERED_SECRET: &str = "\"kN:\" (N from 0 to 255) and base64 of exactly 32 bytes";

/// A secret that was given.
pub(crate) struct Secret {
    /// The secret.
    pub(crate) text: SecretString,
    /// The key that gave it: `x` or `x_file`.
    pub(crate) key: String,
    /// The layer that gave it.
    pub(crate) layer: usize,
    /// The folder that relative paths in it count from.
    pub(crate) base: PathBuf,
}

/// The two ways to give a secret.
enum Given<'t> {
    /// By `x`.
    Here(Found<'t>),
    /// By `x_file`.
    InFile(Found<'t>),
}

/// Returns the value of `key` or of `key_file`. Of two layers the later wins; both in one layer,
/// which is returned, are an error. `None` without an error: neither is given.
fn given<'t>(section: &Section<'t>, key: &str) -> Result<Option<Given<'t>>, usize> {
    match (section.find(key), section.find(&format!("{key}_file"))) {
        (Some(here), Some(file)) if here.layer == file.layer => Err(here.layer),
        (Some(here), Some(file)) if here.layer < file.layer => Ok(Some(Given::InFile(file))),
        (Some(here), _) => Ok(Some(Given::Here(here))),
        (None, file) => Ok(file.map(Given::InFile)),
    }
}

/// Returns the secret `key`, which is required.
pub(crate) fn read(section: &mut Section<'_>, key: &str) -> Option<Secret> {
    match required(section, key)? {
        Given::Here(found) => {
            let Some(text) = found.text() else {
                section.expected(key, "a text");
                return None;
            };
            Some(Secret {
                text: text.into(),
                key: key.to_owned(),
                layer: found.layer,
                base: section.base(found.layer),
            })
        }
        Given::InFile(found) => {
            let key = format!("{key}_file");
            let text = read_file(section, &key, found)?;
            Some(Secret { text, key, layer: found.layer, base: section.base(found.layer) })
        }
    }
}

/// The entries of a secret that is a list, and what gave them.
struct Lines {
    texts: Vec<Zeroizing<String>>,
    given_as: String,
    layer: usize,
}

/// Returns the numbered secrets of `key`, which are required.
pub(crate) fn keyring(section: &mut Section<'_>, key: &str) -> Option<Keyring<Secret32>> {
    let given = required(section, key)?;
    let lines = lines(section, key, &given)?;
    let entries =
        parsed(section, &lines, NUMBERED_SECRET, |text| parse_numbered_secret(text).ok())?;
    match Keyring::new(entries) {
        Ok(ring) => Some(ring),
        Err(error) => {
            let problem = Problem::Conflict(error.to_string());
            section.refuse(&lines.given_as, Some(lines.layer), problem);
            None
        }
    }
}

/// Returns the webhook secrets of a client; none if none are given.
pub(crate) fn webhook(section: &mut Section<'_>, key: &str) -> Option<Vec<WebhookSecret>> {
    let given = match given(section, key) {
        Ok(Some(given)) => given,
        Ok(None) => return Some(Vec::new()),
        Err(layer) => {
            section.refuse(key, Some(layer), Problem::Both(format!("`{key}_file`")));
            return None;
        }
    };
    let lines = lines(section, key, &given)?;
    if lines.texts.is_empty() {
        // A file that was mounted empty would silently end all callbacks.
        let problem = Problem::Expected(format!("at least one {WEBHOOK_SECRET}"));
        section.refuse(&lines.given_as, Some(lines.layer), problem);
        return None;
    }
    parsed(section, &lines, WEBHOOK_SECRET, |text| WebhookSecret::parse(text).ok())
}

/// Returns the entries of a list, or the lines of a file.
fn lines(section: &mut Section<'_>, key: &str, given: &Given<'_>) -> Option<Lines> {
    let (given_as, layer, texts) = match given {
        Given::Here(found) => {
            if found.texts().is_none() {
                section.expected(key, "a list of texts");
            }
            let texts = found.texts()?.into_iter().map(str::to_owned).map(Zeroizing::new);
            (key.to_owned(), found.layer, texts.collect())
        }
        Given::InFile(found) => {
            let key = format!("{key}_file");
            let text = read_file(section, &key, *found)?;
            let lines = text.expose_secret().lines().map(str::trim).filter(|line| !line.is_empty());
            let texts = lines.map(str::to_owned).map(Zeroizing::new);
            (key, found.layer, texts.collect())
        }
    };
    Some(Lines { texts, given_as, layer })
}

/// Parses every entry; none of them may fail.
fn parsed<T>(
    section: &mut Section<'_>,
    lines: &Lines,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<Vec<T>> {
    let mut entries = Vec::new();
    for (at, line) in lines.texts.iter().enumerate() {
        if let Some(entry) = parse(line) {
            entries.push(entry);
        } else {
            let problem = Problem::Expected(expected.to_owned());
            section.refuse(&format!("{}[{at}]", lines.given_as), Some(lines.layer), problem);
        }
    }
    (entries.len() == lines.texts.len()).then_some(entries)
}

/// Returns the way that `key` is given, which is required.
fn required<'t>(section: &mut Section<'t>, key: &str) -> Option<Given<'t>> {
    match given(section, key) {
        Ok(Some(given)) => Some(given),
        Ok(None) => {
            section.missing(key, Some(&format!("{key}_file")));
            None
        }
        Err(layer) => {
            section.refuse(key, Some(layer), Problem::Both(format!("`{key}_file`")));
            None
        }
    }
}

/// Returns the text of the file that `found` names, without one line break at its end.
fn read_file(section: &mut Section<'_>, key: &str, found: Found<'_>) -> Option<SecretString> {
    let Some(path) = found.text().filter(|path| !path.is_empty()) else {
        section.expected(key, "the path of a file");
        return None;
    };
    let base = section.base(found.layer);
    match read_bounded(&base.join(path), SECRET_FILE_BYTES_MAX) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            let line = text.strip_suffix('\n').unwrap_or(&text);
            Some(line.strip_suffix('\r').unwrap_or(line).into())
        }
        Err(source) => {
            section.refuse(key, Some(found.layer), Problem::SecretFile { base, source });
            None
        }
    }
}

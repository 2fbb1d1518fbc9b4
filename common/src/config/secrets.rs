//! Secrets: given as a value or as a file that holds it.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{
    error::Problem,
    load::read_bounded,
    reader::{Found, Section},
};
use crate::keyring::{Keyring, Secret32, parse_numbered_secret};

const SECRET_FILE_BYTES_MAX: u64 = 64 << 10;
const NUMBERED_SECRET: &str = "\"kN:\" (N from 0 to 255) and base64 of exactly 32 bytes";

/// A secret's text, the key that gave it, and what relative paths in it count from.
pub(super) struct Secret {
    pub(super) text: SecretString,
    pub(super) key: String,
    pub(super) layer: usize,
    pub(super) base: PathBuf,
}

/// Which of the two ways was taken.
pub(super) enum Given<'t> {
    /// `x`
    Here(Found<'t>),
    /// `x_file`
    InFile(Found<'t>),
}

/// The value of `key`, or of `key_file`. Of two layers the later wins; in one, both are
/// an error. `None` without an error: neither is given.
pub(super) fn given<'t>(section: &Section<'t>, key: &str) -> Result<Option<Given<'t>>, usize> {
    match (section.find(key), section.find(&format!("{key}_file"))) {
        (Some(here), Some(file)) if here.layer == file.layer => Err(here.layer),
        (Some(here), Some(file)) if here.layer < file.layer => Ok(Some(Given::InFile(file))),
        (Some(here), _) => Ok(Some(Given::Here(here))),
        (None, file) => Ok(file.map(Given::InFile)),
    }
}

/// The secret `key`, which is needed.
pub(super) fn read(section: &mut Section<'_>, key: &str) -> Option<Secret> {
    match required(section, key)? {
        Given::Here(found) => {
            let Some(text) = found.text() else {
                section.expected(key, "a text");
                return None;
            };
            let (text, base) = (text.into(), section.base(found.layer));
            Some(Secret { text, key: key.to_owned(), layer: found.layer, base })
        }
        Given::InFile(found) => {
            let key = format!("{key}_file");
            let text = read_file(section, &key, found)?;
            Some(Secret { text, key, layer: found.layer, base: section.base(found.layer) })
        }
    }
}

/// The numbered secrets of `key`, which are needed.
pub(super) fn keyring(section: &mut Section<'_>, key: &str) -> Option<Keyring<Secret32>> {
    let (given_as, layer, lines) = match required(section, key)? {
        Given::Here(found) => {
            let lines = section.read(key, "a list of texts", Found::texts)?;
            let lines = lines.into_iter().map(|line| Zeroizing::new(line.to_owned())).collect();
            (key.to_owned(), found.layer, lines)
        }
        Given::InFile(found) => {
            let key = format!("{key}_file");
            let text = read_file(section, &key, found)?;
            let lines = text.expose_secret().lines().map(str::trim).filter(|line| !line.is_empty());
            (
                key,
                found.layer,
                lines.map(|line| Zeroizing::new(line.to_owned())).collect::<Vec<_>>(),
            )
        }
    };
    let mut entries = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if let Ok(entry) = parse_numbered_secret(line) {
            entries.push(entry);
        } else {
            let problem = Problem::Expected(NUMBERED_SECRET.to_owned());
            section.refuse(&format!("{given_as}[{at}]"), Some(layer), problem);
        }
    }
    if entries.len() < lines.len() {
        return None;
    }
    match Keyring::new(entries) {
        Ok(ring) => Some(ring),
        Err(error) => {
            section.refuse(&given_as, Some(layer), Problem::Conflict(error.to_string()));
            None
        }
    }
}

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

/// The text of the file that `found` names, without one line break at its end.
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

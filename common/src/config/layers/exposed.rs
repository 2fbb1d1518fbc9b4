//! Configuration files that hold secrets in the clear, and who can read them.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use ::config::{Value, ValueKind};
use url::Url;

use super::tree::Tree;

const READABLE_BY_OTHERS: u32 = 0o004;
const READABLE_BY_GROUP: u32 = 0o040;
const ADMINISTRATOR: u32 = 0;

/// The files with a secret in them that more than those who need it can read.
pub(in crate::config) fn files(tree: &Tree) -> Vec<PathBuf> {
    let files = tree.clear.iter().filter_map(|layer| tree.layers.file(*layer));
    files.filter(|path| is_exposed(path)).collect()
}

fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| others_read(found.mode(), found.uid()))
}

/// Whether others than its owner read a file. A group that reads what belongs to the
/// administrator (`root:quhao`, 0640) is how a service gets at its file.
pub(in crate::config) fn others_read(mode: u32, owner: u32) -> bool {
    let by_group = mode & READABLE_BY_GROUP != 0 && owner != ADMINISTRATOR;
    mode & READABLE_BY_OTHERS != 0 || by_group
}

/// Whether a value of a key that takes a secret is one. Of a URL, its password is.
pub(in crate::config) fn is_secret(value: &Value) -> bool {
    let ValueKind::String(text) = &value.kind else { return true };
    if text.starts_with("sqlite:") {
        return false;
    }
    let Ok(url) = Url::parse(text) else { return true };
    url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password")
}

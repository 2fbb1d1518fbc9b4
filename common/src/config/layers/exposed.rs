//! Configuration files that contain secrets and that others can read.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::tree::Tree;

const READABLE_BY_OTHERS: u32 = 0o004;
const READABLE_BY_GROUP: u32 = 0o040;
const ADMINISTRATOR: u32 = 0;

/// Returns the files that contain a secret and that others can read.
pub(crate) fn files(tree: &Tree) -> Vec<PathBuf> {
    let files = tree.with_secrets.iter().filter_map(|layer| tree.layers.file(*layer));
    files.filter(|path| is_exposed(path)).collect()
}

/// Returns whether others can read the file at `path`.
fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| others_read(found.mode(), found.uid()))
}

/// Returns whether others than its owner can read a file. A group may read a file of the
/// administrator (`root:quhao`, 0640): that is how a service reads its own.
pub(crate) fn others_read(mode: u32, owner: u32) -> bool {
    let by_group = mode & READABLE_BY_GROUP != 0 && owner != ADMINISTRATOR;
    mode & READABLE_BY_OTHERS != 0 || by_group
}

//! The path in `sqlite:PATH`.

use std::path::{Path, PathBuf};

/// Returns where the file is; a relative path counts from `base`. `None` if `path` has
/// parameters, or names a database in memory: the queue must outlive the process.
pub(super) fn resolve(path: &str, base: &Path) -> Option<PathBuf> {
    let path = path.strip_prefix("//").unwrap_or(path);
    let is_file = !path.is_empty() && !path.contains('?') && !path.starts_with(':');
    if is_file && !path.ends_with('/') { Some(base.join(path)) } else { None }
}

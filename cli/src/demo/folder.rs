//! The temporary folder that holds all that the demo stores.

use std::{
    env, fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// A new folder, readable by this user alone; removed with its content when dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes it.
    pub(super) fn create() -> anyhow::Result<Self> {
        let name = format!("quhao-demo-{:016x}", rand::random::<u64>());
        let path = env::temp_dir().join(name);
        // Fails if it exists, so nobody can have prepared it.
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, folder = %self.0.display(), "cannot remove the demo's folder");
            }
        }
    }
}

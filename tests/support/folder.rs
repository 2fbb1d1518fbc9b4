//! A folder of a test's own.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// An empty folder, removed with all it holds when dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new one.
    pub fn new() -> Self {
        let path = env::temp_dir().join(format!("quhao-test-{:016x}", rand::random::<u64>()));
        fs::create_dir(&path).unwrap_or_else(|e| panic!("cannot create {}: {e}", path.display()));
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where a file in it is.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that is gone already is no reason to fail.
        drop(fs::remove_dir_all(&self.0));
    }
}

//! The file itself: which one a path leads to, and the lock that keeps other processes out.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::DatabaseError;

/// A file that this process has for itself.
#[derive(Debug)]
pub(super) struct LockedFile {
    /// The path without links and dots.
    pub(super) path: PathBuf,
    pub(super) lock: FileLock,
}

/// A lock that keeps other processes out. Ends when dropped.
#[derive(Debug)]
pub(super) struct FileLock(#[expect(dead_code, reason = "held for its lock")] File);

/// Returns whether two paths lead to one file, which need not exist yet.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> Result<bool, DatabaseError> {
    Ok(resolved(one)? == resolved(other)?)
}

/// Locks the file at `path` for this process, and makes it if it does not exist.
///
/// The lock is on a file beside it: closing any other descriptor of the database itself would
/// end SQLite's own (POSIX) locks on it. The lock file stays when the lock ends; removing it
/// would let two processes lock two files of one name.
pub(super) fn lock(path: &Path) -> Result<LockedFile, DatabaseError> {
    let path = resolved(path)?;
    let lock_path = beside(&path, ".lock");
    let lock = open_private(&lock_path).map_err(|cause| failed(&lock_path, cause))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(DatabaseError::InUse(path)),
        Err(TryLockError::Error(cause)) => return Err(failed(&lock_path, cause)),
    }
    // Made here and not by SQLite, which would let other users of this machine read it. The
    // files that SQLite makes beside it take their permissions from this one.
    drop(open_private(&path).map_err(|cause| failed(&path, cause))?);
    Ok(LockedFile { path, lock: FileLock(lock) })
}

/// Returns the path without links and dots, so that one file has one lock.
fn resolved(path: &Path) -> Result<PathBuf, DatabaseError> {
    if let Ok(path) = path.canonicalize() {
        return Ok(path);
    }
    let whole = std::path::absolute(path).map_err(|cause| failed(path, cause))?;
    let (Some(folder), Some(name)) = (whole.parent(), whole.file_name()) else {
        return Err(failed(path, io::Error::from(io::ErrorKind::IsADirectory)));
    };
    Ok(folder.canonicalize().map_err(|cause| failed(path, cause))?.join(name))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens a file for reading and writing; a new one is readable for its owner alone.
fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn failed(path: &Path, cause: io::Error) -> DatabaseError {
    DatabaseError::File { path: path.to_owned(), cause: Arc::new(cause) }
}

//! Why a call to the database failed.

use std::{io, path::PathBuf, sync::Arc};

/// Why a call to the database failed. Clones share their cause: a commit that fails fails all
/// commands in it.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// The file, or the lock beside it, cannot be opened or made.
    #[error("{} cannot be opened: {cause}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: Arc<io::Error>,
    },
    /// Another process has the file.
    #[error("{} is in use by another quhao process; a file has one", .0.display())]
    InUse(PathBuf),
    /// A statement failed: certainly not stored.
    #[error(transparent)]
    Statement(Arc<sqlx::Error>),
    /// The transaction failed as a whole, at its commit or because of another command in it:
    /// very likely not stored.
    #[error("the transaction failed: {0}")]
    Transaction(#[source] Arc<sqlx::Error>),
    /// No answer came in time: it may be stored or not.
    #[error("the database did not answer in time")]
    Timeout,
    /// The database was closed before.
    #[error("the database is closed")]
    Closed,
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        Self::Statement(Arc::new(error))
    }
}

impl DatabaseError {
    /// Returns whether the same statement can never work, unlike one that met a full disk or
    /// somebody else's lock.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Self::Statement(error) => is_permanent(error),
            Self::File { .. }
            | Self::InUse(_)
            | Self::Transaction(_)
            | Self::Timeout
            | Self::Closed => false,
        }
    }
}

fn is_permanent(error: &sqlx::Error) -> bool {
    use sqlx::migrate::MigrateError;
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse::<i32>().ok());
            code.is_some_and(is_permanent_code)
        }
        sqlx::Error::Migrate(error) => match &**error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                is_permanent(error)
            }
            _ => true,
        },
        sqlx::Error::Encode(_) => true,
        _ => false,
    }
}

/// Returns whether one of SQLite's result codes (<https://sqlite.org/rescode.html>) is about
/// the statement and its values. The primary code is the lowest byte of an extended one.
fn is_permanent_code(code: i32) -> bool {
    const ERROR: i32 = 1;
    const TOO_BIG: i32 = 18;
    const CONSTRAINT: i32 = 19;
    const MISMATCH: i32 = 20;
    const RANGE: i32 = 25;
    matches!(code & 0xff, ERROR | TOO_BIG | CONSTRAINT | MISMATCH | RANGE)
}

#[cfg(test)]
mod tests {
    use super::is_permanent_code;

    #[test]
    fn busy_or_full_database_may_work_later() {
        // SQLITE_BUSY, _BUSY_SNAPSHOT, _LOCKED, _READONLY, _IOERR_FSYNC, _CORRUPT, _FULL
        for code in [5, 517, 6, 8, 1034, 11, 13] {
            assert!(!is_permanent_code(code), "{code}");
        }
        // SQLITE_ERROR, _CONSTRAINT_CHECK, _CONSTRAINT_UNIQUE, _MISMATCH
        for code in [1, 275, 2067, 20] {
            assert!(is_permanent_code(code), "{code}");
        }
    }
}

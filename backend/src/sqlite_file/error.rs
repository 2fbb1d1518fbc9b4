//! What can go wrong with the file.

use std::{io, path::PathBuf, sync::Arc};

/// Why the database did not do it. Clones share their cause: one failed commit fails
/// everybody who was in it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DatabaseError {
    /// The file, or the lock beside it, cannot be opened or made.
    #[error("{} cannot be opened: {cause}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Arc<io::Error>,
    },
    /// Another process has it.
    #[error("{} is in use by another quhao process; a file has one", .0.display())]
    InUse(PathBuf),
    /// A statement failed: surely not stored.
    #[error(transparent)]
    Statement(Arc<sqlx::Error>),
    /// The transaction failed as a whole, at its commit or through a neighbour: very
    /// likely not stored.
    #[error("the transaction failed: {0}")]
    Transaction(#[source] Arc<sqlx::Error>),
    /// No answer in time: may be stored, may be not.
    #[error("the database did not answer in time")]
    Timeout,
    /// It was closed before.
    #[error("the database is closed")]
    Closed,
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        Self::Statement(Arc::new(error))
    }
}

impl DatabaseError {
    /// Whether the same statement can never work, unlike one that met a full disk or
    /// somebody else's lock.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Statement(error) => is_lasting(error),
            Self::File { .. }
            | Self::InUse(_)
            | Self::Transaction(_)
            | Self::Timeout
            | Self::Closed => false,
        }
    }
}

fn is_lasting(error: &sqlx::Error) -> bool {
    use sqlx::migrate::MigrateError;
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse::<i32>().ok());
            code.is_some_and(is_lasting_code)
        }
        sqlx::Error::Migrate(error) => match &**error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                is_lasting(error)
            }
            _ => true,
        },
        sqlx::Error::Encode(_) => true,
        _ => false,
    }
}

/// Of SQLite's result codes (<https://sqlite.org/rescode.html>) those that speak of the
/// statement and its values. The primary code is the lowest byte of an extended one.
fn is_lasting_code(code: i32) -> bool {
    const ERROR: i32 = 1;
    const TOO_BIG: i32 = 18;
    const CONSTRAINT: i32 = 19;
    const MISMATCH: i32 = 20;
    const RANGE: i32 = 25;
    matches!(code & 0xff, ERROR | TOO_BIG | CONSTRAINT | MISMATCH | RANGE)
}

#[cfg(test)]
mod tests {
    use super::is_lasting_code;

    #[test]
    fn a_busy_or_full_database_may_work_later() {
        // SQLITE_BUSY, _BUSY_SNAPSHOT, _LOCKED, _READONLY, _IOERR_FSYNC, _CORRUPT, _FULL
        for code in [5, 517, 6, 8, 1034, 11, 13] {
            assert!(!is_lasting_code(code), "{code}");
        }
        // SQLITE_ERROR, _CONSTRAINT_CHECK, _CONSTRAINT_UNIQUE, _MISMATCH
        for code in [1, 275, 2067, 20] {
            assert!(is_lasting_code(code), "{code}");
        }
    }
}

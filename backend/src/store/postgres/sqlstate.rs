//! Why a call to Postgres failed, by its SQLSTATE, and whether the same call may work later.

use std::time::Duration;

use sqlx::migrate::MigrateError;

use crate::store::error::StoreError;

/// Why a call failed.
///
/// An error of the database is reduced to its SQLSTATE and message: its DETAIL quotes whole
/// rows (`Failing row contains (…)`), and even `Debug` must not show those.
#[derive(Debug, thiserror::Error)]
pub(super) enum PgError {
    /// Every connection is in use.
    #[error("all connections of this process are in use")]
    Busy,
    /// The pool was closed.
    #[error("the connections were closed")]
    Closed,
    /// No answer came in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// No connection was established. Whatever the reason (password, TLS, name), no statement
    /// was refused.
    #[error("cannot connect: {0}")]
    Connect(#[source] Box<PgError>),
    /// The connection broke, or the peer does not speak the protocol.
    #[error("{0}")]
    Connection(#[source] sqlx::Error),
    /// The server refused the statement.
    #[error("SQLSTATE {code}: {message}")]
    Refused { code: String, message: String },
    /// A column has another type than this build expects.
    #[error("{0}")]
    Row(#[source] sqlx::Error),
    /// The migrations of the database are not those of this build.
    #[error("{0}")]
    Migrations(#[source] MigrateError),
}

impl PgError {
    /// Returns whether the connection is useless, and probably those opened with it: the server
    /// went away (08, 57P0x) or may no longer write (25006).
    pub(super) fn breaks_connection(&self) -> bool {
        match self {
            Self::Connection(_) => true,
            Self::Refused { code, .. } => {
                code == "25006" || code.starts_with("08") || code.starts_with("57P0")
            }
            _ => false,
        }
    }
}

impl From<sqlx::Error> for PgError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default().into_owned();
                let message = match code.get(..2) {
                    // "invalid input syntax for type bigint: …" and its like quote the value.
                    Some("22") => "a value does not fit its column".to_owned(),
                    _ if matches!(&*code, "42P01" | "42703") => {
                        format!("{}; `quhao migrate` brings the schema up to date", error.message())
                    }
                    _ => error.message().to_owned(),
                };
                Self::Refused { code, message }
            }
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::PoolClosed => Self::Closed,
            error @ (sqlx::Error::RowNotFound
            | sqlx::Error::TypeNotFound { .. }
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)) => Self::Row(error),
            sqlx::Error::Migrate(error) => (*error).into(),
            error => Self::Connection(error),
        }
    }
}

impl From<MigrateError> for PgError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            error => Self::Migrations(error),
        }
    }
}

impl From<PgError> for StoreError {
    fn from(error: PgError) -> Self {
        match error {
            PgError::Row(_) => Self::Form("a column has another type than this build expects"),
            PgError::Refused { ref code, .. } if is_about_data(code) => {
                Self::Rejected(error.into())
            }
            PgError::Migrations(_) => Self::Rejected(error.into()),
            error => Self::Unavailable(error.into()),
        }
    }
}

/// Returns whether the same statement can never work.
///
/// Only a refusal of the *data* is permanent: cardinality (21), data (22), constraints (23) and
/// size limits (54). Whoever commits a batch then has to do without that row. An operator, a
/// restart or a migration cures everything else, from lost connections to a pooler without
/// prepared statements or a damaged index. It must not cost an outcome, so it counts as an
/// outage.
fn is_about_data(code: &str) -> bool {
    matches!(code.get(..2), Some("21" | "22" | "23" | "54"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str) -> PgError {
        PgError::Refused { code: code.to_owned(), message: "m".to_owned() }
    }

    #[test]
    fn only_refused_data_is_permanent() {
        let outages = [
            "08006", "25006", "25P03", "28P01", "3D000", "3F000", "40001", "40P01", "42P01",
            "42703", "42501", "53300", "53100", "55P03", "57014", "57P01", "57P02", "57P03",
            "57P04", "58030", "26000", "XX000", "XX002", "0A000", "",
        ];
        for code in outages {
            assert!(matches!(refused(code).into(), StoreError::Unavailable(_)), "{code}");
        }
        for code in ["22021", "23505", "23514", "21000", "54000"] {
            assert!(matches!(refused(code).into(), StoreError::Rejected(_)), "{code}");
        }
        let password = PgError::Connect(Box::new(refused("28P01")));
        assert!(matches!(password.into(), StoreError::Unavailable(_)));
        assert!(matches!(PgError::Busy.into(), StoreError::Unavailable(_)));
        let row = PgError::from(sqlx::Error::ColumnNotFound("x".to_owned()));
        assert!(matches!(row.into(), StoreError::Form(_)));
    }

    #[test]
    fn lost_or_demoted_server_breaks_the_connection() {
        for code in ["08006", "08P01", "25006", "57P01", "57P03"] {
            assert!(refused(code).breaks_connection(), "{code}");
        }
        for code in ["57014", "40P01", "23514", "42P01", "53300"] {
            assert!(!refused(code).breaks_connection(), "{code}");
        }
        assert!(PgError::from(sqlx::Error::Protocol("x".to_owned())).breaks_connection());
    }
}

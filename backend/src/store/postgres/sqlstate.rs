//! What can go wrong between here and Postgres, and whether it will pass.

use std::time::Duration;

use sqlx::migrate::MigrateError;

use crate::store::error::StoreError;

/// A call that failed.
///
/// A database error is reduced to its SQLSTATE and message: its DETAIL quotes whole rows
/// (`Failing row contains (…)`), and even `Debug` must not show those.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Every connection is lent out.
    #[error("all connections of this process are in use")]
    Busy,
    /// The pool was closed.
    #[error("the connections were closed")]
    Closed,
    /// Nothing came back in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Silent(Duration),
    /// No connection came to be. Whatever the reason (password, TLS, name), no statement
    /// was refused.
    #[error("cannot connect: {0}")]
    Connect(#[source] Box<Fault>),
    /// The link broke, or speaks nonsense.
    #[error("{0}")]
    LinkStatus(#[source] sqlx::Error),
    /// The server refused.
    #[error("SQLSTATE {code}: {message}")]
    Refused { code: String, message: String },
    /// A row does not fit the types of this build.
    #[error("{0}")]
    Row(#[source] sqlx::Error),
    /// The migrations applied to the database are not those of this build.
    #[error("{0}")]
    History(#[source] MigrateError),
}

impl Fault {
    /// Whether the connection is useless, and probably those opened with it: the server
    /// went away (08, 57P0x) or is no longer the one that may write (25006).
    pub(super) fn breaks_the_link(&self) -> bool {
        match self {
            Self::LinkStatus(_) => true,
            Self::Refused { code, .. } => {
                code == "25006" || code.starts_with("08") || code.starts_with("57P0")
            }
            _ => false,
        }
    }
}

impl From<sqlx::Error> for Fault {
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
            error => Self::LinkStatus(error),
        }
    }
}

impl From<MigrateError> for Fault {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            error => Self::History(error),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Row(_) => Self::Form("a column has another type than this build expects"),
            Fault::Refused { ref code, .. } if is_of_the_data(code) => Self::Rejected(fault.into()),
            Fault::History(_) => Self::Rejected(fault.into()),
            fault => Self::Unavailable(fault.into()),
        }
    }
}

/// Whether the same statement will never work.
///
/// The question is whose fault it is. Only a refusal of the *data* (cardinality 21, data
/// 22, constraints 23, size limits 54) stays one for ever, and whoever wrote the batch sets
/// the row aside. Everything else is mended by an operator, a restart or a migration, from
/// lost connections to a pooler without prepared statements or a damaged index; it must
/// not cost an outcome, so it counts as an outage.
fn is_of_the_data(code: &str) -> bool {
    matches!(code.get(..2), Some("21" | "22" | "23" | "54"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str) -> Fault {
        Fault::Refused { code: code.to_owned(), message: "m".to_owned() }
    }

    #[test]
    fn what_an_operator_mends_is_an_outage_and_what_the_data_did_is_not() {
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
        let password = Fault::Connect(Box::new(refused("28P01")));
        assert!(matches!(password.into(), StoreError::Unavailable(_)));
        assert!(matches!(Fault::Busy.into(), StoreError::Unavailable(_)));
        let row = Fault::from(sqlx::Error::ColumnNotFound("x".to_owned()));
        assert!(matches!(row.into(), StoreError::Form(_)));
    }

    #[test]
    fn only_a_lost_or_demoted_server_breaks_the_link() {
        for code in ["08006", "08P01", "25006", "57P01", "57P03"] {
            assert!(refused(code).breaks_the_link(), "{code}");
        }
        for code in ["57014", "40P01", "23514", "42P01", "53300"] {
            assert!(!refused(code).breaks_the_link(), "{code}");
        }
        assert!(Fault::from(sqlx::Error::Protocol("x".to_owned())).breaks_the_link());
    }
}

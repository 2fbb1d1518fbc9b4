//! How jobs ended, counted where their answers are.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use quhao_tests::database::Database;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::time::timeout;

use crate::baseline::TABLE;

/// Longest that one count may take.
const LIMIT: Duration = Duration::from_mins(1);

/// All of them, those that succeeded, and those of them before their deadline. Both
/// databases have the same columns.
const OF_QUHAO: &str = "select count(*), count(*) filter (where status = 2), \
    count(*) filter (where status = 2 and finished_at <= expires_at) from jobs";
const OF_BASELINE: &str = "select count(*), count(*), count(*) from baseline_results";

/// Jobs that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) all: u64,
    pub(crate) succeeded: u64,
    /// Of those, the ones that were of use.
    pub(crate) in_deadline: u64,
}

/// Access to the rows of a subject.
pub(crate) enum Rows {
    /// By this query.
    Postgres(PgConnection, &'static str),
    /// quhao's.
    Sqlite(SqliteConnection),
}

impl Rows {
    /// Opens quhao's rows in Postgres.
    pub(crate) async fn of_quhao(database: &Database) -> Result<Self> {
        Self::of_postgres(database, OF_QUHAO).await
    }

    /// Creates the baseline's table and opens it.
    pub(crate) async fn of_baseline(database: &Database) -> Result<Self> {
        database.connect().await.execute(TABLE).await?;
        Self::of_postgres(database, OF_BASELINE).await
    }

    /// Opens quhao's rows in an SQLite file.
    pub(crate) async fn of_file(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .read_only(true)
            .busy_timeout(LIMIT);
        Ok(Self::Sqlite(SqliteConnection::connect_with(&options).await?))
    }

    async fn of_postgres(database: &Database, count: &'static str) -> Result<Self> {
        let mut connection = database.connect().await;
        // What the last round left to be written is not this one's to pay. Who may not ask
        // for it does without.
        drop(connection.execute("checkpoint").await);
        Ok(Self::Postgres(connection, count))
    }

    /// Counts the rows that are there now.
    pub(crate) async fn ended(&mut self) -> Result<Ended> {
        let counting = async {
            match self {
                Self::Postgres(connection, count) => {
                    sqlx::query_as::<_, (i64, i64, i64)>(*count).fetch_one(connection).await
                }
                Self::Sqlite(connection) => {
                    sqlx::query_as::<_, (i64, i64, i64)>(OF_QUHAO).fetch_one(connection).await
                }
            }
        };
        let (all, succeeded, in_deadline) =
            timeout(LIMIT, counting).await.context("counting rows takes too long")??;
        Ok(Ended {
            all: all.unsigned_abs(),
            succeeded: succeeded.unsigned_abs(),
            in_deadline: in_deadline.unsigned_abs(),
        })
    }
}

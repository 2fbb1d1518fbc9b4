//! Callbacks: what an operator or an answer does to table `callbacks`. For their sending see
//! `sqlite/claims.rs`.

use sqlx::{FromRow, Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    SqliteStore,
    encoding::{now_ms, optional_time, time},
};
use crate::store::{
    callback::{CallbackFilter, Lookup},
    callback_rows::{CallbackKeyRow, CallbackRow, status_number},
    error::StoreError,
};
use quhao_common::{
    domain::{callback_status::CallbackState, finished::Finished},
    envelope::unix_ms::unix_ms,
};

/// Makes an event due. It has the number of its answer. A row past its retention counts as gone.
const MAKE_DUE: &str = "
INSERT INTO callbacks (key, event, client, app, due_at, created_at, purge_at)
VALUES (?1, ?2, ?3, ?4, max(?5, ?7), max(?5, ?7), ?6)
ON CONFLICT (key, event) DO UPDATE
   SET client = excluded.client, app = excluded.app, state = 0, attempts = 0,
       due_at = excluded.due_at, created_at = excluded.created_at,
       purge_at = excluded.purge_at, last_status = NULL, last_error = NULL, finished_at = NULL
 WHERE callbacks.purge_at <= ?7";

/// Cancels the event of a failure when there is a success, and any when the answer was erased.
pub(super) const CANCEL_OUTDATED: &str = "
UPDATE callbacks SET state = 3, finished_at = ?2
 WHERE key = ?1 AND state = 0 AND event < (SELECT status FROM jobs WHERE key = ?1)";

macro_rules! list {
    ($condition:literal) => {
        concat!(
            "SELECT key, event, client, app, state, attempts, due_at, created_at,
                    last_status, last_error, finished_at
               FROM callbacks
              WHERE (?1 IS NULL OR key = ?1) AND (?2 IS NULL OR app = ?2)
                AND (?3 IS NULL OR state = ?3) AND +purge_at > ?5 AND ",
            $condition,
            " ORDER BY created_at DESC, key, event LIMIT ?4"
        )
    };
}

macro_rules! retry {
    ($condition:literal) => {
        concat!(
            "UPDATE callbacks SET state = 0, attempts = 0, due_at = ?5, created_at = ?5,
                                  finished_at = NULL
              WHERE (key, event) IN (
                    SELECT key, event FROM callbacks AS c
                     WHERE (?1 IS NULL OR key = ?1) AND (?2 IS NULL OR app = ?2)
                       AND (?3 IS NULL OR state = ?3) AND state = 2 AND ",
            $condition,
            "          AND EXISTS (SELECT 1 FROM jobs AS j
                                    WHERE j.key = c.key AND j.status < 3 AND j.purge_at > ?5)
                     ORDER BY created_at DESC, key, event LIMIT ?4)"
        )
    };
}

// The same statement for each [`Lookup`]: each condition has an index. The plus keeps the index
// for retention, which nearly all rows pass, out of it.
pub(super) const LIST: &str = list!("true");
pub(super) const LIST_OF_JOB: &str = list!("key = ?1");
pub(super) const LIST_FAILED: &str = list!("state = 2");
pub(super) const RETRY: &str = retry!("true");
pub(super) const RETRY_OF_JOB: &str = retry!("key = ?1");

impl FromRow<'_, SqliteRow> for CallbackKeyRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            key: row.try_get("key")?,
            event: row.try_get("event")?,
            client: row.try_get("client")?,
            app: row.try_get("app")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for CallbackRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            callback: CallbackKeyRow::from_row(row)?,
            state: row.try_get("state")?,
            attempts: row.try_get("attempts")?,
            due_at: time(row, "due_at")?,
            created_at: time(row, "created_at")?,
            last_status: row.try_get("last_status")?,
            last_error: row.try_get("last_error")?,
            finished_at: optional_time(row, "finished_at")?,
        })
    }
}

impl SqliteStore {
    /// Returns the callbacks that match `filter`, the newest first.
    pub(crate) async fn callbacks(
        &self,
        filter: &CallbackFilter,
    ) -> Result<Vec<CallbackState>, StoreError> {
        let statement = match filter.lookup() {
            Lookup::Job => LIST_OF_JOB,
            Lookup::Failed => LIST_FAILED,
            Lookup::Time => LIST,
        };
        let filter = filter.clone();
        let now = now_ms();
        let rows = self.database.read(self.limit, move |connection| {
            let query = sqlx::query_as(statement)
                .bind(filter.key.map(|key| key.as_bytes().to_vec()))
                .bind(filter.app.map(String::from))
                .bind(filter.status.map(status_number))
                .bind(filter.max)
                .bind(now);
            Box::pin(query.fetch_all(connection))
        });
        let rows: Vec<CallbackRow> = rows.await?;
        rows.into_iter().map(CallbackRow::into_state).collect()
    }

    /// Makes the failed callbacks that match `filter` due again, with their whole time limit.
    /// Returns how many.
    pub(crate) async fn retry_callbacks(&self, filter: &CallbackFilter) -> Result<u64, StoreError> {
        let statement = match filter.lookup() {
            Lookup::Job => RETRY_OF_JOB,
            Lookup::Failed | Lookup::Time => RETRY,
        };
        let filter = filter.clone();
        let now = now_ms();
        let retried = self.database.write(self.limit, move |connection| {
            let query = sqlx::query(statement)
                .bind(filter.key.map(|key| key.as_bytes().to_vec()))
                .bind(filter.app.map(String::from))
                .bind(filter.status.map(status_number))
                .bind(filter.max)
                .bind(now);
            Box::pin(query.execute(connection))
        });
        Ok(retried.await?.rows_affected())
    }
}

/// Makes the event of an answer with this `status` due from `due_at_ms` on, unless it is or was
/// due already.
pub(super) async fn make_due(
    connection: &mut SqliteConnection,
    finished: &Finished,
    status: i16,
    due_at_ms: i64,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(MAKE_DUE)
        .bind(finished.key.as_bytes().as_slice())
        .bind(status)
        .bind(finished.client.as_str())
        .bind(finished.app.as_str())
        .bind(due_at_ms)
        .bind(unix_ms(finished.purge_at))
        .bind(now_ms)
        .execute(connection)
        .await?;
    Ok(())
}

/// Cancels events that the answer to `key` has outdated. To be called after it was written.
pub(super) async fn cancel_outdated(
    connection: &mut SqliteConnection,
    key: Vec<u8>,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(CANCEL_OUTDATED).bind(key).bind(now_ms).execute(connection).await?;
    Ok(())
}

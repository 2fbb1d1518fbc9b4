//! Callbacks: what stands in `callbacks`, and what an operator or an answer does to it.
//! `sqlite/claims.rs` has their sending.

use sqlx::SqliteConnection;

use super::{SqliteStore, at, now_ms};
use crate::store::{
    callback::{self, CallbackFilter},
    error::StoreError,
};
use quhao_common::{
    domain::{
        callback_status::{CallbackState, CallbackStatus},
        finished::Finished,
    },
    envelope::unix_ms::unix_ms,
};

/// An event has the number of its answer. A row past its time counts as gone.
const MAKE_DUE: &str = "
INSERT INTO callbacks (key, event, client, app, due_at, created_at, purge_at)
VALUES (?1, ?2, ?3, ?4, max(?5, ?7), max(?5, ?7), ?6)
ON CONFLICT (key, event) DO UPDATE
   SET client = excluded.client, app = excluded.app, state = 0, attempts = 0,
       due_at = excluded.due_at, created_at = excluded.created_at,
       purge_at = excluded.purge_at, last_status = NULL, last_error = NULL, finished_at = NULL
 WHERE callbacks.purge_at <= ?7";

/// Word of a failure when there is a success, and any of what was erased.
pub(super) const CANCEL_OUTGROWN: &str = "
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

// The same question three times: each condition has an index. The plus keeps the one for
// retention, which nearly all rows pass, out of it.
pub(super) const LIST: &str = list!("true");
pub(super) const LIST_OF_KEY: &str = list!("key = ?1");
pub(super) const LIST_FAILED: &str = list!("state = 2");
pub(super) const RETRY: &str = retry!("true");
pub(super) const RETRY_OF_KEY: &str = retry!("key = ?1");

/// A row of [`LIST`].
type Row =
    (Vec<u8>, i16, String, String, i16, i32, i64, i64, Option<i32>, Option<String>, Option<i64>);

impl SqliteStore {
    /// See [`crate::store::Store::callbacks`].
    pub async fn callbacks(
        &self,
        filter: &CallbackFilter,
    ) -> Result<Vec<CallbackState>, StoreError> {
        let statement = match (filter.key, filter.status) {
            (Some(_), _) => LIST_OF_KEY,
            (None, Some(CallbackStatus::Failed)) => LIST_FAILED,
            (None, _) => LIST,
        };
        let (filter, now) = (filter.clone(), now_ms());
        let rows = self.database.read(self.limit, move |connection| {
            let query = sqlx::query_as(statement)
                .bind(filter.key.map(|key| key.as_bytes().to_vec()))
                .bind(filter.app.map(String::from))
                .bind(filter.status.map(callback::status_number))
                .bind(filter.max)
                .bind(now);
            Box::pin(query.fetch_all(connection))
        });
        let rows: Vec<Row> = rows.await?;
        rows.into_iter().map(state).collect()
    }

    /// See [`crate::store::Store::retry_callbacks`].
    pub async fn retry_callbacks(&self, filter: &CallbackFilter) -> Result<u64, StoreError> {
        let statement = if filter.key.is_some() { RETRY_OF_KEY } else { RETRY };
        let (filter, now) = (filter.clone(), now_ms());
        let retried = self.database.write(self.limit, move |connection| {
            let query = sqlx::query(statement)
                .bind(filter.key.map(|key| key.as_bytes().to_vec()))
                .bind(filter.app.map(String::from))
                .bind(filter.status.map(callback::status_number))
                .bind(filter.max)
                .bind(now);
            Box::pin(query.execute(connection))
        });
        Ok(retried.await?.rows_affected())
    }
}

/// Makes word of an answer due from `due_at` on, unless it is already, or was.
pub(super) async fn make_due(
    connection: &mut SqliteConnection,
    finished: &Finished,
    (event, due_at): (i16, i64),
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(MAKE_DUE)
        .bind(finished.key.as_bytes().as_slice())
        .bind(event)
        .bind(finished.client.as_str())
        .bind(finished.app.as_str())
        .bind(due_at)
        .bind(unix_ms(finished.purge_at))
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// To be called after the answer was written.
pub(super) async fn cancel_outgrown(
    connection: &mut SqliteConnection,
    key: Vec<u8>,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(CANCEL_OUTGROWN).bind(key).bind(now).execute(connection).await?;
    Ok(())
}

fn state(row: Row) -> Result<CallbackState, StoreError> {
    let (key, event, client, app, number, attempts, due_at, created_at, status, error, end) = row;
    let (key, event, client, app) = callback::identity((key, event, client, app))?;
    let standing = callback::status_of_number(number)?;
    let due_at = if standing == CallbackStatus::Due { Some(at(due_at)?) } else { None };
    Ok(CallbackState {
        key,
        event,
        client,
        app,
        status: standing,
        attempts: callback::attempts(attempts)?,
        due_at,
        created_at: at(created_at)?,
        last_status: callback::http_status(status)?,
        last_error: error,
        finished_at: end.map(at).transpose()?,
    })
}

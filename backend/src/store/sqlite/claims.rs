//! Sending callbacks: claims those that are due, and records the results of attempts.

use sqlx::{FromRow, Row, SqliteConnection, sqlite::SqliteRow};
use time::OffsetDateTime;

use super::{
    SqliteStore,
    encoding::{now_ms, time},
};
use crate::store::{
    answer_row::AnswerRow,
    callback::{Attempted, Claim, DueCallback},
    callback_rows::{AttemptRow, CallbackKeyRow, ClaimedRow, event_number},
    error::StoreError,
};
use quhao_common::{domain::client::ClientName, envelope::unix_ms::unix_ms};

/// Finds the clients one by one, so that the backlog of one that is left out is not read.
pub(super) const NEXT_CLIENT: &str =
    "SELECT client FROM callbacks WHERE state = 0 AND client > ?1 ORDER BY client LIMIT 1";

pub(super) const DUE: &str = "
SELECT due_at, key, event FROM callbacks AS c
 WHERE state = 0 AND client = ?1 AND due_at <= ?2
   AND EXISTS (SELECT 1 FROM jobs AS j
                WHERE j.key = c.key AND j.status < 3 AND j.purge_at > ?2)
 ORDER BY due_at LIMIT ?3";

const CLAIM: &str = "
UPDATE callbacks SET attempts = attempts + 1, due_at = ?3 WHERE key = ?1 AND event = ?2";

pub(super) const CLAIMED: &str = "
SELECT c.key, c.event, c.client, c.app, c.attempts, c.created_at AS due_since,
       j.created_at, j.expires_at, j.finished_at, j.purge_at, j.answer, j.failure
  FROM callbacks AS c JOIN jobs AS j ON j.key = c.key
 WHERE c.key = ?1 AND c.event = ?2";

/// A cancelled callback stays cancelled, and one that was claimed again since is left alone.
const RECORD: &str = "
UPDATE callbacks
   SET state = ?4, due_at = coalesce(?5, due_at), last_status = ?6, last_error = ?7,
       finished_at = ?8
 WHERE key = ?1 AND event = ?2 AND attempts = ?3 AND state = 0";

/// A row of [`DUE`], in the order of their times.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct DueRow {
    /// In milliseconds since 1970.
    due_at: i64,
    key: Vec<u8>,
    event: i16,
}

impl FromRow<'_, SqliteRow> for DueRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            due_at: row.try_get("due_at")?,
            key: row.try_get("key")?,
            event: row.try_get("event")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for ClaimedRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            callback: CallbackKeyRow::from_row(row)?,
            attempts: row.try_get("attempts")?,
            due_since: time(row, "due_since")?,
            answer: AnswerRow::from_row(row)?,
        })
    }
}

impl SqliteStore {
    /// Claims callbacks that are due, the longest due first.
    pub(crate) async fn claim_callbacks(
        &self,
        claim: Claim<'_>,
    ) -> Result<Vec<DueCallback>, StoreError> {
        let max = claim.max;
        let except = claim.except.to_vec();
        let now = now_ms();
        let until = unix_ms(OffsetDateTime::now_utc() + claim.lease);
        let rows = self.database.write(self.limit, move |connection| {
            Box::pin(async move {
                let due = find_due(connection, &except, max, now).await?;
                claim_all(connection, due, until).await
            })
        });
        rows.await?.into_iter().map(ClaimedRow::into_due).collect()
    }

    /// Records the results of attempts at claimed callbacks.
    pub(crate) async fn record_callbacks(&self, attempted: &[Attempted]) -> Result<(), StoreError> {
        if attempted.is_empty() {
            return Ok(());
        }
        let attempted = attempted.to_vec();
        let recorded = self.database.write(self.limit, move |connection| {
            Box::pin(async move {
                for attempted in attempted {
                    record(connection, &attempted).await?;
                }
                Ok(())
            })
        });
        Ok(recorded.await?)
    }
}

/// Returns the longest due callbacks of all clients but `except`.
async fn find_due(
    connection: &mut SqliteConnection,
    except: &[ClientName],
    max: u32,
    now_ms: i64,
) -> Result<Vec<DueRow>, sqlx::Error> {
    let mut all: Vec<DueRow> = Vec::new();
    let mut last = String::new();
    loop {
        let next = sqlx::query_scalar(NEXT_CLIENT).bind(&last);
        let Some(client) = next.fetch_optional(&mut *connection).await? else { break };
        last = client;
        if except.iter().all(|name| name.as_str() != last) {
            let due = sqlx::query_as(DUE).bind(&last).bind(now_ms).bind(max);
            all.extend(due.fetch_all(&mut *connection).await?);
        }
    }
    all.sort_unstable();
    all.truncate(max as usize);
    Ok(all)
}

/// Claims callbacks until `until_ms`.
async fn claim_all(
    connection: &mut SqliteConnection,
    due: Vec<DueRow>,
    until_ms: i64,
) -> Result<Vec<ClaimedRow>, sqlx::Error> {
    let mut rows = Vec::with_capacity(due.len());
    for DueRow { key, event, .. } in due {
        let claim = sqlx::query(CLAIM).bind(&key).bind(event).bind(until_ms);
        claim.execute(&mut *connection).await?;
        let claimed = sqlx::query_as(CLAIMED).bind(key).bind(event);
        rows.push(claimed.fetch_one(&mut *connection).await?);
    }
    Ok(rows)
}

async fn record(
    connection: &mut SqliteConnection,
    attempted: &Attempted,
) -> Result<(), sqlx::Error> {
    let AttemptRow { state, due_at, finished_at } = AttemptRow::of(attempted);
    sqlx::query(RECORD)
        .bind(attempted.key.as_bytes().as_slice())
        .bind(event_number(attempted.event))
        .bind(attempted.attempt)
        .bind(state)
        .bind(due_at.map(unix_ms))
        .bind(attempted.status)
        .bind(attempted.error)
        .bind(finished_at.map(unix_ms))
        .execute(connection)
        .await?;
    Ok(())
}

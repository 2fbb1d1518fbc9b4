//! Sending callbacks: claiming those that are due, and recording what became of them.

use sqlx::SqliteConnection;

use super::{SqliteStore, answers, at, now_ms};
use crate::store::{
    callback::{self, AttemptEnd, Attempted, Claim, DueCallback, event_number, status_number},
    error::StoreError,
};
use quhao_common::{
    domain::{app::ClientName, callback_status::CallbackStatus},
    envelope::unix_ms::unix_ms,
};

/// Client by client, so that the backlog of one that is left out is not read.
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
SELECT c.key, c.event, c.client, c.app, c.attempts, c.created_at,
       j.created_at, j.expires_at, j.finished_at, j.purge_at, j.answer, j.failure
  FROM callbacks AS c JOIN jobs AS j ON j.key = c.key
 WHERE c.key = ?1 AND c.event = ?2";

/// A cancelled callback stays so, and so does one that was claimed again since.
const RECORD: &str = "
UPDATE callbacks
   SET state = ?4, due_at = coalesce(?5, due_at), last_status = ?6, last_error = ?7,
       finished_at = ?8
 WHERE key = ?1 AND event = ?2 AND attempts = ?3 AND state = 0";

/// A row of [`DUE`].
type Due = (i64, Vec<u8>, i16);

/// A row of [`CLAIMED`].
type Row = (Vec<u8>, i16, String, String, i32, i64, i64, i64, i64, i64, Vec<u8>, Option<String>);

impl SqliteStore {
    /// See [`crate::store::Store::claim_callbacks`].
    pub async fn claim_callbacks(&self, claim: Claim<'_>) -> Result<Vec<DueCallback>, StoreError> {
        let (max, except, now) = (claim.max, claim.except.to_vec(), now_ms());
        let until = unix_ms(time::OffsetDateTime::now_utc() + claim.lease);
        let rows = self.database.write(self.limit, move |connection| {
            Box::pin(async move {
                let due = due(connection, &except, max, now).await?;
                claimed(connection, due, until).await
            })
        });
        rows.await?.into_iter().map(callback).collect()
    }

    /// See [`crate::store::Store::record_callbacks`].
    pub async fn record_callbacks(&self, attempted: &[Attempted]) -> Result<(), StoreError> {
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

/// The longest due of all clients but `except`.
async fn due(
    connection: &mut SqliteConnection,
    except: &[ClientName],
    max: u32,
    now: i64,
) -> Result<Vec<Due>, sqlx::Error> {
    let mut all: Vec<Due> = Vec::new();
    let mut last = String::new();
    loop {
        let next = sqlx::query_scalar(NEXT_CLIENT).bind(&last);
        let Some(client) = next.fetch_optional(&mut *connection).await? else { break };
        last = client;
        if except.iter().all(|name| name.as_str() != last) {
            let due = sqlx::query_as(DUE).bind(&last).bind(now).bind(max);
            all.extend(due.fetch_all(&mut *connection).await?);
        }
    }
    all.sort_unstable();
    all.truncate(max as usize);
    Ok(all)
}

async fn claimed(
    connection: &mut SqliteConnection,
    due: Vec<Due>,
    until: i64,
) -> Result<Vec<Row>, sqlx::Error> {
    let mut rows = Vec::with_capacity(due.len());
    for (_, key, event) in due {
        let claim = sqlx::query(CLAIM).bind(&key).bind(event).bind(until);
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
    let ended = Some(unix_ms(attempted.at));
    let (state, due_at, ended) = match attempted.end {
        AttemptEnd::Delivered => (CallbackStatus::Delivered, None, ended),
        AttemptEnd::Again { due_at } => (CallbackStatus::Due, Some(unix_ms(due_at)), None),
        AttemptEnd::Failed => (CallbackStatus::Failed, None, ended),
    };
    sqlx::query(RECORD)
        .bind(attempted.key.as_bytes().as_slice())
        .bind(event_number(attempted.event))
        .bind(attempted.attempt)
        .bind(status_number(state))
        .bind(due_at)
        .bind(attempted.status)
        .bind(attempted.error)
        .bind(ended)
        .execute(connection)
        .await?;
    Ok(())
}

fn callback(row: Row) -> Result<DueCallback, StoreError> {
    let (
        bytes,
        event,
        client,
        app,
        attempts,
        created_at,
        accepted,
        expires,
        finished,
        purge,
        answer,
        failure,
    ) = row;
    let answer = (bytes.clone(), accepted, expires, finished, purge, Some(answer), failure);
    let answer = answers::answer(answer)?;
    let (key, event, client, app) = callback::identity((bytes, event, client, app))?;
    Ok(DueCallback {
        key,
        event,
        client,
        app,
        attempt: callback::attempts(attempts)?,
        created_at: at(created_at)?,
        answer,
    })
}

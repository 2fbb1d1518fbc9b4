//! The statements on table `queue`.

use sqlx::{FromRow, Row, SqliteConnection, sqlite::SqliteRow};
use time::OffsetDateTime;

use crate::queue::{
    delivery::{DeadLetterReason, Lane},
    message::{Message, MessageKind},
};
use quhao_common::envelope::unix_ms::unix_ms;

/// The most dead letters that are kept after they were settled as such, for an operator.
const DEAD_LETTERS_MAX: i64 = 1000;
/// How long they are kept: they hold sealed personal data.
const DEAD_LETTER_RETENTION: time::Duration = time::Duration::days(7);

const COUNT_IN: &str = "UPDATE queue_length SET held = held + 1 WHERE held < ?1";
const INSERT: &str = "INSERT INTO queue (job, expires_at, body) VALUES (?1, ?2, ?3)";
const FETCH: &str = "
UPDATE queue SET attempts = attempts + 1
 WHERE id IN (SELECT id FROM queue
               WHERE dead = 0 AND id NOT IN (SELECT value FROM json_each(?1))
               ORDER BY id LIMIT ?2)
RETURNING id, job, expires_at, attempts, body";
const REMOVE: &str = "DELETE FROM queue WHERE dead = 0 AND id IN (SELECT value FROM json_each(?1))";
const DEAD_LETTER: &str =
    "UPDATE queue SET dead = 1 WHERE dead = 0 AND id IN (SELECT value FROM json_each(?1))";
const COUNT_OUT: &str = "UPDATE queue_length SET held = held - ?1";
const TRIM_DEAD_LETTERS: &str = "
DELETE FROM queue
 WHERE dead = 1
   AND (expires_at < ?1
        OR id NOT IN (SELECT id FROM queue WHERE dead = 1 ORDER BY id DESC LIMIT ?2))";
const LENGTH: &str = "SELECT held FROM queue_length";
const DEAD_LETTERS: &str = "SELECT count(*) FROM queue WHERE dead = 1";

/// A message to insert.
#[derive(Debug)]
pub(super) struct NewRow {
    /// The job's id without its tag.
    job: String,
    /// In milliseconds since 1970.
    expires_at: i64,
    body: Vec<u8>,
}

impl NewRow {
    /// Returns the row of a job; `None` for an outcome.
    pub(super) fn of_job(message: Message) -> Option<Self> {
        let MessageKind::Job { expires_at, .. } = message.kind else { return None };
        let job = message.id.to_string();
        Some(Self { job, expires_at: unix_ms(expires_at), body: message.body })
    }
}

/// A message to hand out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReadyRow {
    pub(super) id: i64,
    pub(super) body: Vec<u8>,
    pub(super) lane: Lane,
    pub(super) redelivered: bool,
}

/// What was found in the table.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    /// Messages to hand out, oldest first.
    pub(super) rows: Vec<ReadyRow>,
    /// How many rows were found: fewer than asked for means that there are no more.
    pub(super) found: usize,
    /// The jobs that were delivered too often even as dead letters, and are not any more.
    pub(super) dead_lettered: Vec<String>,
}

/// A row of [`FETCH`].
struct FetchedRow {
    id: i64,
    job: String,
    /// In milliseconds since 1970.
    expires_at: i64,
    /// How often it was handed out, this time included.
    attempts: i64,
    body: Vec<u8>,
}

impl FromRow<'_, SqliteRow> for FetchedRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            job: row.try_get("job")?,
            expires_at: row.try_get("expires_at")?,
            attempts: row.try_get("attempts")?,
            body: row.try_get("body")?,
        })
    }
}

/// Inserts a message. Returns `false` if `length_max` are there already.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    row: NewRow,
    length_max: i64,
) -> Result<bool, sqlx::Error> {
    let counted = sqlx::query(COUNT_IN).bind(length_max).execute(&mut *connection).await?;
    if counted.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(INSERT)
        .bind(row.job)
        .bind(row.expires_at)
        .bind(row.body)
        .execute(connection)
        .await?;
    Ok(true)
}

/// Fetches the oldest `max` messages that are not `in_flight`.
///
/// One past its deadline, or that was delivered more than `delivery_limit` times, is handed
/// out as a dead letter: its failure may have to be recorded. If that does not settle it
/// either, it is kept, but not handed out again.
pub(super) async fn fetch(
    connection: &mut SqliteConnection,
    in_flight: Vec<i64>,
    max: usize,
    delivery_limit: u32,
) -> Result<Fetched, sqlx::Error> {
    let found: Vec<FetchedRow> = sqlx::query_as(FETCH)
        .bind(json(&in_flight))
        .bind(i64::try_from(max).unwrap_or(i64::MAX))
        .fetch_all(&mut *connection)
        .await?;
    let now = unix_ms(OffsetDateTime::now_utc());
    let mut fetched = Fetched { found: found.len(), ..Fetched::default() };
    let mut ids = Vec::new();
    for row in found {
        let FetchedRow { id, job, expires_at, attempts, body } = row;
        let unsettled = u32::try_from(attempts - 1).unwrap_or(u32::MAX);
        if let Some(lane) = lane(expires_at <= now, unsettled, delivery_limit) {
            fetched.rows.push(ReadyRow { id, body, lane, redelivered: unsettled > 0 });
        } else {
            ids.push(id);
            fetched.dead_lettered.push(job);
        }
    }
    // RETURNING gives no order.
    fetched.rows.sort_by_key(|row| row.id);
    dead_letter(connection, &ids).await?;
    Ok(fetched)
}

/// Returns the lane of a message that was `unsettled` so often; `None` if it is not to be
/// handed out again.
fn lane(is_expired: bool, unsettled: u32, delivery_limit: u32) -> Option<Lane> {
    match unsettled.saturating_sub(delivery_limit) {
        2.. => None,
        _ if is_expired => Some(Lane::DeadLetters(DeadLetterReason::Expired)),
        1 => Some(Lane::DeadLetters(DeadLetterReason::DeliveryLimit)),
        0 => Some(Lane::Jobs { unsettled }),
    }
}

/// Deletes messages.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    ids: &[i64],
) -> Result<(), sqlx::Error> {
    count_out(connection, REMOVE, ids).await
}

/// Keeps messages for an operator, but never hands them out again.
pub(super) async fn dead_letter(
    connection: &mut SqliteConnection,
    ids: &[i64],
) -> Result<(), sqlx::Error> {
    if ids.is_empty() {
        return Ok(());
    }
    count_out(connection, DEAD_LETTER, ids).await?;
    sqlx::query(TRIM_DEAD_LETTERS)
        .bind(unix_ms(OffsetDateTime::now_utc() - DEAD_LETTER_RETENTION))
        .bind(DEAD_LETTERS_MAX)
        .execute(connection)
        .await?;
    Ok(())
}

/// Returns how many messages there are that are not dead letters, in flight or not.
pub(super) async fn length(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(LENGTH).fetch_one(connection).await
}

/// Returns how many dead letters are kept.
pub(super) async fn dead_letters(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(DEAD_LETTERS).fetch_one(connection).await
}

/// Runs `statement` on messages, and subtracts those that it changed from the length.
async fn count_out(
    connection: &mut SqliteConnection,
    statement: &'static str,
    ids: &[i64],
) -> Result<(), sqlx::Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let changed = sqlx::query(statement).bind(json(ids)).execute(&mut *connection).await?;
    let changed = i64::try_from(changed.rows_affected()).unwrap_or(i64::MAX);
    sqlx::query(COUNT_OUT).bind(changed).execute(connection).await?;
    Ok(())
}

fn json(ids: &[i64]) -> String {
    serde_json::Value::from(ids).to_string()
}

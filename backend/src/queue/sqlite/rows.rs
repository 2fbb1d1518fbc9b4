//! The statements on `queue`.

use sqlx::SqliteConnection;
use time::OffsetDateTime;

use crate::queue::{
    delivery::{DeadLetterReason, Lane},
    message::Message,
};
use quhao_common::envelope::unix_ms::unix_ms;

/// Envelopes that are kept after they were set aside, for a look by hand.
const DEAD_MAX: i64 = 1000;
/// And for how long: they hold sealed personal data.
const DEAD_KEPT: time::Duration = time::Duration::days(7);

const COUNT_IN: &str = "UPDATE queue_length SET held = held + 1 WHERE held < ?1";
const INSERT: &str = "INSERT INTO queue (job, expires_at, body) VALUES (?1, ?2, ?3)";
const TAKE: &str = "
UPDATE queue SET attempts = attempts + 1
 WHERE id IN (SELECT id FROM queue
               WHERE dead = 0 AND id NOT IN (SELECT value FROM json_each(?1))
               ORDER BY id LIMIT ?2)
RETURNING id, job, expires_at, attempts, body";
const REMOVE: &str = "DELETE FROM queue WHERE dead = 0 AND id IN (SELECT value FROM json_each(?1))";
const SET_ASIDE: &str =
    "UPDATE queue SET dead = 1 WHERE dead = 0 AND id IN (SELECT value FROM json_each(?1))";
const COUNT_OUT: &str = "UPDATE queue_length SET held = held - ?1";
const TRIM_DEAD: &str = "
DELETE FROM queue
 WHERE dead = 1
   AND (expires_at < ?1
        OR id NOT IN (SELECT id FROM queue WHERE dead = 1 ORDER BY id DESC LIMIT ?2))";
const LENGTH: &str = "SELECT held FROM queue_length";
const ASIDE: &str = "SELECT count(*) FROM queue WHERE dead = 1";

/// An envelope that was taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) body: Vec<u8>,
    pub(super) lane: Lane,
    pub(super) redelivered: bool,
}

/// What came of a look for work.
#[derive(Debug, Default)]
pub(super) struct Take {
    /// To be worked on, oldest first.
    pub(super) rows: Vec<Row>,
    /// How many were looked at: fewer than asked for means that there are no more.
    pub(super) found: usize,
    /// The jobs that came back too often even as dead ones, and were set aside.
    pub(super) aside: Vec<String>,
}

/// Adds `message`, unless `length_max` are there already.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    message: Message,
    length_max: i64,
) -> Result<bool, sqlx::Error> {
    let counted = sqlx::query(COUNT_IN).bind(length_max).execute(&mut *connection).await?;
    if counted.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(INSERT)
        .bind(message.id.to_string())
        .bind(unix_ms(message.expires_at))
        .bind(message.body)
        .execute(connection)
        .await?;
    Ok(true)
}

/// Takes the oldest `max` that are not `out`. One past its deadline, or that came back more
/// than `delivery_limit` times, is taken as a dead one: somebody may have to be told. If
/// that does not end it either, it is set aside.
pub(super) async fn take(
    connection: &mut SqliteConnection,
    out: Vec<i64>,
    max: usize,
    delivery_limit: u32,
) -> Result<Take, sqlx::Error> {
    let found: Vec<(i64, String, i64, i64, Vec<u8>)> = sqlx::query_as(TAKE)
        .bind(json(&out))
        .bind(i64::try_from(max).unwrap_or(i64::MAX))
        .fetch_all(&mut *connection)
        .await?;
    let now = unix_ms(OffsetDateTime::now_utc());
    let mut take = Take { found: found.len(), ..Take::default() };
    let mut aside = Vec::new();
    for (id, job, expires_at, attempts, body) in found {
        let unsettled = u32::try_from(attempts - 1).unwrap_or(u32::MAX);
        if let Some(lane) = lane(expires_at <= now, unsettled, delivery_limit) {
            take.rows.push(Row { id, body, lane, redelivered: unsettled > 0 });
        } else {
            aside.push(id);
            take.aside.push(job);
        }
    }
    // RETURNING gives no order.
    take.rows.sort_by_key(|row| row.id);
    set_aside(connection, &aside).await?;
    Ok(take)
}

/// The lane of an envelope that was `unsettled` so often; `None` if it is for no lane any
/// more.
fn lane(expired: bool, unsettled: u32, delivery_limit: u32) -> Option<Lane> {
    match unsettled.saturating_sub(delivery_limit) {
        2.. => None,
        _ if expired => Some(Lane::DeadLetters(DeadLetterReason::Expired)),
        1 => Some(Lane::DeadLetters(DeadLetterReason::DeliveryLimit)),
        0 => Some(Lane::Jobs { unsettled }),
    }
}

/// Forgets envelopes.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    ids: &[i64],
) -> Result<(), sqlx::Error> {
    count_out(connection, REMOVE, ids).await
}

/// Keeps envelopes for a look by hand, but never hands them out again.
pub(super) async fn set_aside(
    connection: &mut SqliteConnection,
    ids: &[i64],
) -> Result<(), sqlx::Error> {
    if ids.is_empty() {
        return Ok(());
    }
    count_out(connection, SET_ASIDE, ids).await?;
    sqlx::query(TRIM_DEAD)
        .bind(unix_ms(OffsetDateTime::now_utc() - DEAD_KEPT))
        .bind(DEAD_MAX)
        .execute(connection)
        .await?;
    Ok(())
}

/// How many envelopes there are that were not set aside.
pub(super) async fn length(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(LENGTH).fetch_one(connection).await
}

/// How many were.
pub(super) async fn aside(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(ASIDE).fetch_one(connection).await
}

async fn count_out(
    connection: &mut SqliteConnection,
    statement: &'static str,
    ids: &[i64],
) -> Result<(), sqlx::Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(statement).bind(json(ids)).execute(&mut *connection).await?;
    let gone = i64::try_from(done.rows_affected()).unwrap_or(i64::MAX);
    sqlx::query(COUNT_OUT).bind(gone).execute(connection).await?;
    Ok(())
}

fn json(ids: &[i64]) -> String {
    serde_json::Value::from(ids).to_string()
}

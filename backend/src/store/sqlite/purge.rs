//! Deleting what is past its retention.

use sqlx::SqliteConnection;

use crate::store::purged::Purged;

const ANSWERS: &str = "
DELETE FROM jobs WHERE key IN (SELECT key FROM jobs WHERE purge_at <= ?1 LIMIT ?2)";

const SESSIONS: &str = "
DELETE FROM sessions WHERE (client, app, openid) IN
       (SELECT client, app, openid FROM sessions WHERE purge_at <= ?1 LIMIT ?2)";

const CALLBACKS: &str = "
DELETE FROM callbacks WHERE (key, event) IN
       (SELECT key, event FROM callbacks WHERE purge_at <= ?1 LIMIT ?2)";

const ERASURES: &str = "
DELETE FROM erasures WHERE (app, subject) IN
       (SELECT app, subject FROM erasures WHERE purge_at <= ?1 LIMIT ?2)";

/// Deletes `max` rows of each table at most.
pub(super) async fn purge(
    connection: &mut SqliteConnection,
    max: u32,
    now: i64,
) -> Result<Purged, sqlx::Error> {
    Ok(Purged {
        answers: delete(connection, ANSWERS, max, now).await?,
        sessions: delete(connection, SESSIONS, max, now).await?,
        callbacks: delete(connection, CALLBACKS, max, now).await?,
        erasures: delete(connection, ERASURES, max, now).await?,
    })
}

async fn delete(
    connection: &mut SqliteConnection,
    statement: &'static str,
    max: u32,
    now: i64,
) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(statement).bind(now).bind(max).execute(connection).await?;
    Ok(deleted.rows_affected())
}

//! Deleting what is past its retention.

use sqlx::SqliteConnection;

use crate::store::Purged;

const ANSWERS: &str = "
DELETE FROM jobs WHERE key IN (SELECT key FROM jobs WHERE purge_at <= ?1 LIMIT ?2)";

const SESSIONS: &str = "
DELETE FROM sessions WHERE (client, app, openid) IN
       (SELECT client, app, openid FROM sessions WHERE purge_at <= ?1 LIMIT ?2)";

/// Deletes `max` rows of each table at most.
pub(super) async fn purge(
    connection: &mut SqliteConnection,
    max: u32,
    now: i64,
) -> Result<Purged, sqlx::Error> {
    let answers = sqlx::query(ANSWERS).bind(now).bind(max).execute(&mut *connection).await?;
    let sessions = sqlx::query(SESSIONS).bind(now).bind(max).execute(connection).await?;
    Ok(Purged { answers: answers.rows_affected(), sessions: sessions.rows_affected() })
}

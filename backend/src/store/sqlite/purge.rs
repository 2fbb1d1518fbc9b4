//! Deletes rows past their retention.

use sqlx::SqliteConnection;

use super::{SqliteStore, encoding::now_ms};
use crate::store::{error::StoreError, purged::Purged};

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

impl SqliteStore {
    /// Deletes rows past their retention, at most `max` of each table.
    pub(crate) async fn purge(&self, max: u32) -> Result<Purged, StoreError> {
        let now = now_ms();
        let purged = self
            .database
            .write(self.limit, move |connection| Box::pin(purge(connection, max, now)));
        Ok(purged.await?)
    }
}

async fn purge(
    connection: &mut SqliteConnection,
    max: u32,
    now_ms: i64,
) -> Result<Purged, sqlx::Error> {
    Ok(Purged {
        answers: delete(connection, ANSWERS, max, now_ms).await?,
        sessions: delete(connection, SESSIONS, max, now_ms).await?,
        callbacks: delete(connection, CALLBACKS, max, now_ms).await?,
        erasures: delete(connection, ERASURES, max, now_ms).await?,
    })
}

async fn delete(
    connection: &mut SqliteConnection,
    statement: &'static str,
    max: u32,
    now_ms: i64,
) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(statement).bind(now_ms).bind(max).execute(connection).await?;
    Ok(deleted.rows_affected())
}

//! Erases an answer or a person, and records what keeps out outcomes that are under way.
//!
//! One task writes, one command after the other. So what was committed before an erasure is
//! there to be erased, and what is committed after it reads the record.

use sqlx::{FromRow, Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    SqliteStore, callbacks,
    encoding::{hex_array, now_ms},
};
use crate::store::{
    erasure::{Erased, Erasure, ErasureRecord, Tombstone},
    error::StoreError,
    notification::{FinishedJobs, Notification},
};
use quhao_common::envelope::unix_ms::unix_ms;

const RECORD: &str = "
INSERT INTO erasures (app, subject, erased_at, purge_at) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (app, subject) DO UPDATE
   SET erased_at = max(erasures.erased_at, excluded.erased_at),
       purge_at = max(erasures.purge_at, excluded.purge_at)";

/// Finds out whether there is an answer. A row past its retention counts as gone.
const EXISTS: &str = "
SELECT EXISTS (SELECT 1 FROM jobs
                WHERE key = ?1 AND client = ?2 AND app = ?3 AND status < 3 AND purge_at > ?4)";

const KEEP_OUT: &str = "
INSERT INTO jobs (key, client, app, status, created_at, expires_at, finished_at, purge_at, answer)
VALUES (?1, ?2, ?3, 3, ?4, ?4, ?4, ?5, x'')
ON CONFLICT (key) DO UPDATE
   SET status = 3, failure = NULL, answer = x'', openid = NULL, phone_hash = NULL,
       purge_at = max(jobs.purge_at, excluded.purge_at)
 WHERE jobs.client = excluded.client AND jobs.app = excluded.app";

pub(super) const ANSWERS: &str = "
SELECT key, openid FROM jobs
 WHERE client = ?1 AND app = ?2 AND status < 3
   AND (openid IN (SELECT value FROM json_each(?3))
        OR phone_hash IN (SELECT unhex(value) FROM json_each(?4)))";

const ERASE: &str = "
UPDATE jobs SET status = 3, failure = NULL, answer = x'', openid = NULL, phone_hash = NULL
 WHERE key = ?1";

pub(super) const ERASE_SESSIONS: &str = "
DELETE FROM sessions
 WHERE client = ?1 AND app = ?2
   AND (openid IN (SELECT value FROM json_each(?3))
        OR phone_hash IN (SELECT unhex(value) FROM json_each(?4)))";

/// A row of [`ANSWERS`].
struct ErasedRow {
    key: Vec<u8>,
    openid: Option<String>,
}

impl FromRow<'_, SqliteRow> for ErasedRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self { key: row.try_get("key")?, openid: row.try_get("openid")? })
    }
}

impl SqliteStore {
    /// Erases one answer. If it is still to come, it will not be stored. Returns whether there
    /// was one.
    pub(crate) async fn erase_job(&self, tombstone: &Tombstone) -> Result<bool, StoreError> {
        let key = tombstone.key;
        let tombstone = tombstone.clone();
        let now = now_ms();
        let was_there = self
            .database
            .write(self.limit, move |connection| {
                Box::pin(async move { erase_one(connection, &tombstone, now).await })
            })
            .await?;
        self.notify(Notification::of_commit(FinishedJobs::Keys(vec![key]), None));
        Ok(was_there)
    }

    /// Erases everything about a person. What jobs that were created earlier may still bring will
    /// not be stored.
    pub(crate) async fn erase_person(&self, erasure: &Erasure) -> Result<Erased, StoreError> {
        let erasure = erasure.clone();
        let now = now_ms();
        let erased = self.database.write(self.limit, move |connection| {
            Box::pin(async move {
                record(connection, erasure.record()).await?;
                erase_person(connection, &erasure, now).await
            })
        });
        Ok(erased.await?)
    }
}

/// Records an erasure. Later commits add no outcomes of earlier jobs about its subjects.
pub(super) async fn record(
    connection: &mut SqliteConnection,
    record: ErasureRecord<'_>,
) -> Result<(), sqlx::Error> {
    for subject in record.subjects {
        sqlx::query(RECORD)
            .bind(record.app.as_str())
            .bind(subject.as_slice())
            .bind(unix_ms(record.erased_at))
            .bind(unix_ms(record.purge_at))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Erases one answer, so that only the fact is left, with its callbacks.
pub(super) async fn erase(
    connection: &mut SqliteConnection,
    key: Vec<u8>,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(ERASE).bind(&key).execute(&mut *connection).await?;
    callbacks::cancel_outdated(connection, key, now_ms).await
}

async fn erase_one(
    connection: &mut SqliteConnection,
    tombstone: &Tombstone,
    now_ms: i64,
) -> Result<bool, sqlx::Error> {
    let was_there = sqlx::query_scalar(EXISTS)
        .bind(tombstone.key.as_bytes().as_slice())
        .bind(tombstone.client.as_str())
        .bind(tombstone.app.as_str())
        .bind(now_ms)
        .fetch_one(&mut *connection)
        .await?;
    sqlx::query(KEEP_OUT)
        .bind(tombstone.key.as_bytes().as_slice())
        .bind(tombstone.client.as_str())
        .bind(tombstone.app.as_str())
        .bind(unix_ms(tombstone.erased_at))
        .bind(unix_ms(tombstone.purge_at))
        .execute(&mut *connection)
        .await?;
    callbacks::cancel_outdated(connection, tombstone.key.as_bytes().to_vec(), now_ms).await?;
    Ok(was_there)
}

async fn erase_person(
    connection: &mut SqliteConnection,
    erasure: &Erasure,
    now_ms: i64,
) -> Result<Erased, sqlx::Error> {
    let hashes = hex_array(&erasure.phone_hashes);
    let found: Vec<ErasedRow> = sqlx::query_as(ANSWERS)
        .bind(erasure.client.as_str())
        .bind(erasure.app.as_str())
        .bind(serde_json::Value::from(erasure.openids.clone()).to_string())
        .bind(&hashes)
        .fetch_all(&mut *connection)
        .await?;
    let answers = found.len() as u64;
    let mut openids = erasure.openids.clone();
    for row in found {
        erase(connection, row.key, now_ms).await?;
        openids.extend(row.openid);
    }
    let sessions = sqlx::query(ERASE_SESSIONS)
        .bind(erasure.client.as_str())
        .bind(erasure.app.as_str())
        .bind(serde_json::Value::from(openids).to_string())
        .bind(hashes)
        .execute(connection)
        .await?;
    Ok(Erased { answers, sessions: sessions.rows_affected() })
}

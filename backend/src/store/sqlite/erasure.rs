//! Erasure of an answer and of a person, and the record that keeps out what is under way.
//!
//! One task writes, a command after the other: whatever was committed before an erasure is
//! there to be erased, and whatever comes after it finds the record.

use sqlx::SqliteConnection;

use super::{SqliteStore, callbacks, now_ms};
use crate::store::{
    erasure::{Erased, Erasure, Tombstone},
    error::StoreError,
    notification::{FinishedJobs, Notification},
};
use quhao_common::{crypto::vault::KeyedHash, domain::app::AppId, envelope::unix_ms::unix_ms};

const RECORD: &str = "
INSERT INTO erasures (app, subject, erased_at, purge_at) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (app, subject) DO UPDATE
   SET erased_at = max(erasures.erased_at, excluded.erased_at),
       purge_at = max(erasures.purge_at, excluded.purge_at)";

/// A row past its time counts as gone.
const LIVING: &str = "
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

impl SqliteStore {
    /// See [`crate::store::Store::erase_job`].
    pub async fn erase_job(&self, tombstone: &Tombstone) -> Result<bool, StoreError> {
        let (key, tombstone, now) = (tombstone.key, tombstone.clone(), now_ms());
        let was_there = self
            .database
            .write(self.limit, move |connection| {
                Box::pin(async move { erase_one(connection, &tombstone, now).await })
            })
            .await?;
        // Nobody may be listening.
        let _ = self.news.send(Notification::of(FinishedJobs::Keys(vec![key]), None));
        Ok(was_there)
    }

    /// See [`crate::store::Store::erase_person`].
    pub async fn erase_person(&self, erasure: &Erasure) -> Result<Erased, StoreError> {
        let (erasure, now) = (erasure.clone(), now_ms());
        let erased = self.database.write(self.limit, move |connection| {
            Box::pin(async move {
                let times = (unix_ms(erasure.erased_at), unix_ms(erasure.purge_at));
                record(connection, &erasure.app, &erasure.subjects, times).await?;
                erase_person(connection, &erasure, now).await
            })
        });
        Ok(erased.await?)
    }
}

/// From here on, nothing of `subjects` comes that is not there yet.
pub(super) async fn record(
    connection: &mut SqliteConnection,
    app: &AppId,
    subjects: &[KeyedHash],
    (erased_at, purge_at): (i64, i64),
) -> Result<(), sqlx::Error> {
    for subject in subjects {
        sqlx::query(RECORD)
            .bind(app.as_str())
            .bind(subject.as_slice())
            .bind(erased_at)
            .bind(purge_at)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Makes the row of an answer the fact alone.
pub(super) async fn erase(
    connection: &mut SqliteConnection,
    key: Vec<u8>,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(ERASE).bind(&key).execute(&mut *connection).await?;
    callbacks::cancel_outgrown(connection, key, now).await
}

async fn erase_one(
    connection: &mut SqliteConnection,
    tombstone: &Tombstone,
    now: i64,
) -> Result<bool, sqlx::Error> {
    let was_there = sqlx::query_scalar(LIVING)
        .bind(tombstone.key.as_bytes().as_slice())
        .bind(tombstone.client.as_str())
        .bind(tombstone.app.as_str())
        .bind(now)
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
    callbacks::cancel_outgrown(connection, tombstone.key.as_bytes().to_vec(), now).await?;
    Ok(was_there)
}

async fn erase_person(
    connection: &mut SqliteConnection,
    erasure: &Erasure,
    now: i64,
) -> Result<Erased, sqlx::Error> {
    let hashes = crate::store::sqlite::json(&erasure.phone_hashes);
    let found: Vec<(Vec<u8>, Option<String>)> = sqlx::query_as(ANSWERS)
        .bind(erasure.client.as_str())
        .bind(erasure.app.as_str())
        .bind(serde_json::Value::from(erasure.openids.clone()).to_string())
        .bind(&hashes)
        .fetch_all(&mut *connection)
        .await?;
    let answers = found.len() as u64;
    let mut openids = erasure.openids.clone();
    for (key, openid) in found {
        erase(connection, key, now).await?;
        openids.extend(openid);
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

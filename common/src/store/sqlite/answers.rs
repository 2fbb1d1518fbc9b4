//! The statements on `jobs`.

use sqlx::SqliteConnection;

use crate::{
    envelope::unix_ms,
    id::JobKey,
    store::{Ending, Finished, StoreError, StoredAnswer},
    vault::Sealed,
};

/// Keys go in as one JSON array of hexadecimal texts, so that a statement has one text
/// whatever the number of keys.
pub(super) const KNOWN: &str = "
SELECT key FROM jobs
 WHERE key IN (SELECT unhex(value) FROM json_each(?1)) AND purge_at > ?2";

pub(super) const ANSWERS: &str = "
SELECT key, created_at, expires_at, finished_at, purge_at, answer FROM jobs
 WHERE key IN (SELECT unhex(value) FROM json_each(?1)) AND purge_at > ?2";

/// The same rule as [`Ending::replaces`], and a test holds it to that. What is past its
/// `purge_at` counts as gone.
const IMPROVE: &str = "
INSERT INTO jobs (key, client, app, status, failure, created_at, expires_at, finished_at,
                  purge_at, answer, openid, phone_hash)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
ON CONFLICT (key) DO UPDATE
   SET client = excluded.client, app = excluded.app, status = excluded.status,
       failure = excluded.failure, created_at = excluded.created_at,
       expires_at = excluded.expires_at, finished_at = excluded.finished_at,
       purge_at = excluded.purge_at, answer = excluded.answer, openid = excluded.openid,
       phone_hash = excluded.phone_hash
 WHERE excluded.status > jobs.status
    OR (excluded.failure = 'session_lost' AND jobs.failure = 'code_already_used')
    OR jobs.purge_at <= ?13";

const FAILED: i64 = 1;
const SUCCEEDED: i64 = 2;

/// A row of [`ANSWERS`].
pub(super) type Row = (Vec<u8>, i64, i64, i64, i64, Vec<u8>);

pub(super) fn json(keys: &[JobKey]) -> String {
    let keys: Vec<_> =
        keys.iter().map(|key| data_encoding::HEXLOWER.encode(key.as_bytes())).collect();
    serde_json::Value::from(keys).to_string()
}

pub(super) async fn known(
    connection: &mut SqliteConnection,
    keys: String,
    now: i64,
) -> Result<Vec<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar(KNOWN).bind(keys).bind(now).fetch_all(connection).await
}

pub(super) async fn answers(
    connection: &mut SqliteConnection,
    keys: String,
    now: i64,
) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as(ANSWERS).bind(keys).bind(now).fetch_all(connection).await
}

/// Keeps `finished`, unless what is there is as good.
pub(super) async fn improve(
    connection: &mut SqliteConnection,
    finished: Finished,
    now: i64,
) -> Result<(), sqlx::Error> {
    let (status, failure) = match finished.ending {
        Ending::Failed(code) => (FAILED, Some(code.as_str())),
        Ending::Succeeded => (SUCCEEDED, None),
    };
    sqlx::query(IMPROVE)
        .bind(finished.key.as_bytes().to_vec())
        .bind(finished.client.as_str())
        .bind(finished.app.as_str())
        .bind(status)
        .bind(failure)
        .bind(unix_ms(finished.created_at))
        .bind(unix_ms(finished.expires_at))
        .bind(unix_ms(finished.finished_at))
        .bind(unix_ms(finished.purge_at))
        .bind(finished.answer.into_bytes())
        .bind(finished.openid)
        .bind(finished.phone_hash.map(|hash| hash.to_vec()))
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) fn key(bytes: Vec<u8>) -> Result<JobKey, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Form("a job key of another length"))?;
    Ok(JobKey::from_bytes(bytes))
}

pub(super) fn answer(row: Row) -> Result<StoredAnswer, StoreError> {
    let (bytes, created_at, expires_at, finished_at, purge_at, answer) = row;
    Ok(StoredAnswer {
        key: key(bytes)?,
        created_at: super::at(created_at)?,
        expires_at: super::at(expires_at)?,
        finished_at: super::at(finished_at)?,
        purge_at: super::at(purge_at)?,
        answer: Sealed::from_bytes(answer),
    })
}

//! Reads answers, and keeps them for longer.

use std::collections::HashSet;

use sqlx::{FromRow, Row, SqliteConnection, sqlite::SqliteRow};
use time::OffsetDateTime;

use super::{
    SqliteStore,
    encoding::{hex_array, now_ms, time},
};
use crate::store::{
    answer_row::AnswerRow,
    answered::{ValidityRow, answered},
    columns::job_key,
    error::StoreError,
};
use quhao_common::{
    domain::{answer::StoredAnswer, id::JobKey},
    envelope::unix_ms::unix_ms,
};

pub(super) const VALIDITY: &str = "
SELECT key, expires_at, failure FROM jobs
 WHERE key IN (SELECT unhex(value) FROM json_each(?1)) AND purge_at > ?2";

pub(super) const ANSWERS: &str = "
SELECT key, created_at, expires_at, finished_at, purge_at,
       CASE WHEN status < 3 THEN answer END AS answer, failure
  FROM jobs
 WHERE key IN (SELECT unhex(value) FROM json_each(?1)) AND purge_at > ?2";

const PROLONG: &str = "
UPDATE jobs SET purge_at = ?2 WHERE key = ?1 AND purge_at < ?2 AND purge_at > ?3";

const PROLONG_CALLBACKS: &str = "
UPDATE callbacks SET purge_at = ?2 WHERE key = ?1 AND purge_at < ?2 AND purge_at > ?3";

impl FromRow<'_, SqliteRow> for ValidityRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            key: row.try_get("key")?,
            expires_at: time(row, "expires_at")?,
            failure: row.try_get("failure")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for AnswerRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            key: row.try_get("key")?,
            created_at: time(row, "created_at")?,
            expires_at: time(row, "expires_at")?,
            finished_at: time(row, "finished_at")?,
            purge_at: time(row, "purge_at")?,
            answer: row.try_get("answer")?,
            failure: row.try_get("failure")?,
        })
    }
}

impl SqliteStore {
    /// Returns which of these jobs, each with the deadline of one delivery, are answered.
    pub(crate) async fn answered(
        &self,
        jobs: &[(JobKey, OffsetDateTime)],
    ) -> Result<HashSet<JobKey>, StoreError> {
        if jobs.is_empty() {
            return Ok(HashSet::new());
        }
        let keys = hex_array(jobs.iter().map(|(key, _)| key.as_bytes()));
        let now = now_ms();
        let rows = self
            .database
            .read(self.limit, move |connection| Box::pin(validity(connection, keys, now)))
            .await?;
        answered(jobs, rows)
    }

    /// Keeps answers at least until the given times. Returns which still exist.
    pub(crate) async fn prolong(
        &self,
        until: &[(JobKey, OffsetDateTime)],
    ) -> Result<HashSet<JobKey>, StoreError> {
        if until.is_empty() {
            return Ok(HashSet::new());
        }
        let until = until.to_vec();
        let now = now_ms();
        let kept = self
            .database
            .write(self.limit, move |connection| {
                Box::pin(async move { prolong(connection, &until, now).await })
            })
            .await?;
        kept.into_iter().map(|row| job_key(row.key)).collect()
    }

    /// Returns the answers to `keys`.
    pub(crate) async fn answers(&self, keys: &[JobKey]) -> Result<Vec<StoredAnswer>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys = hex_array(keys.iter().map(JobKey::as_bytes));
        let now = now_ms();
        let rows = self.database.read(self.limit, move |connection| {
            Box::pin(sqlx::query_as(ANSWERS).bind(keys).bind(now).fetch_all(connection))
        });
        let rows: Vec<AnswerRow> = rows.await?;
        rows.into_iter().map(AnswerRow::into_answer).collect()
    }
}

async fn validity(
    connection: &mut SqliteConnection,
    keys: String,
    now_ms: i64,
) -> Result<Vec<ValidityRow>, sqlx::Error> {
    sqlx::query_as(VALIDITY).bind(keys).bind(now_ms).fetch_all(connection).await
}

async fn prolong(
    connection: &mut SqliteConnection,
    until: &[(JobKey, OffsetDateTime)],
    now_ms: i64,
) -> Result<Vec<ValidityRow>, sqlx::Error> {
    for (key, until) in until {
        for statement in [PROLONG, PROLONG_CALLBACKS] {
            sqlx::query(statement)
                .bind(key.as_bytes().as_slice())
                .bind(unix_ms(*until))
                .bind(now_ms)
                .execute(&mut *connection)
                .await?;
        }
    }
    let keys = hex_array(until.iter().map(|(key, _)| key.as_bytes()));
    validity(connection, keys, now_ms).await
}

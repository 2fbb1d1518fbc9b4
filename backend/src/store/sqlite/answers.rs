//! Reading answers.

use std::collections::HashSet;

use sqlx::SqliteConnection;
use time::OffsetDateTime;

use super::{SqliteStore, at, json, now_ms};
use crate::store::{answered::answered, error::StoreError};
use quhao_common::{
    crypto::vault::Sealed,
    domain::{
        answer::{AnswerValidity, StoredAnswer},
        id::JobKey,
    },
    envelope::unix_ms::unix_ms,
};

/// Keys go in as one JSON array of hexadecimal texts, so that a statement has one text
/// whatever the number of keys.
pub(super) const KNOWN: &str = "
SELECT key, expires_at, failure FROM jobs
 WHERE key IN (SELECT unhex(value) FROM json_each(?1)) AND purge_at > ?2";

pub(super) const ANSWERS: &str = "
SELECT key, created_at, expires_at, finished_at, purge_at,
       CASE WHEN status < 3 THEN answer END, failure
  FROM jobs
 WHERE key IN (SELECT unhex(value) FROM json_each(?1)) AND purge_at > ?2";

const PROLONG: &str = "
UPDATE jobs SET purge_at = ?2 WHERE key = ?1 AND purge_at < ?2 AND purge_at > ?3";

const PROLONG_WORD: &str = "
UPDATE callbacks SET purge_at = ?2 WHERE key = ?1 AND purge_at < ?2 AND purge_at > ?3";

/// A row of [`KNOWN`].
type KnownRow = (Vec<u8>, i64, Option<String>);

/// A row of [`ANSWERS`].
pub(super) type Row = (Vec<u8>, i64, i64, i64, i64, Option<Vec<u8>>, Option<String>);

async fn known_rows(
    connection: &mut SqliteConnection,
    keys: String,
    now: i64,
) -> Result<Vec<KnownRow>, sqlx::Error> {
    sqlx::query_as(KNOWN).bind(keys).bind(now).fetch_all(connection).await
}

impl SqliteStore {
    /// See [`crate::store::Store::known`].
    pub async fn answered(
        &self,
        copies: &[(JobKey, OffsetDateTime)],
    ) -> Result<HashSet<JobKey>, StoreError> {
        if copies.is_empty() {
            return Ok(HashSet::new());
        }
        let (keys, now) = (json(copies.iter().map(|(key, _)| key.as_bytes())), now_ms());
        let rows = self
            .database
            .read(self.limit, move |connection| Box::pin(known_rows(connection, keys, now)))
            .await?;
        let answers = rows.into_iter().map(|(bytes, expires_at, failure)| {
            Ok((key(bytes)?, AnswerValidity::of(failure.as_deref(), at(expires_at)?)))
        });
        Ok(answered(copies, answers.collect::<Result<Vec<_>, StoreError>>()?))
    }

    /// See [`crate::store::Store::prolong`].
    pub async fn prolong(
        &self,
        until: &[(JobKey, OffsetDateTime)],
    ) -> Result<HashSet<JobKey>, StoreError> {
        if until.is_empty() {
            return Ok(HashSet::new());
        }
        let (until, now) = (until.to_vec(), now_ms());
        let kept = self
            .database
            .write(self.limit, move |connection| {
                Box::pin(async move { prolong(connection, &until, now).await })
            })
            .await?;
        kept.into_iter().map(|(bytes, ..)| key(bytes)).collect()
    }
}

async fn prolong(
    connection: &mut SqliteConnection,
    until: &[(JobKey, OffsetDateTime)],
    now: i64,
) -> Result<Vec<KnownRow>, sqlx::Error> {
    for (key, until) in until {
        for statement in [PROLONG, PROLONG_WORD] {
            sqlx::query(statement)
                .bind(key.as_bytes().as_slice())
                .bind(unix_ms(*until))
                .bind(now)
                .execute(&mut *connection)
                .await?;
        }
    }
    let keys = json(until.iter().map(|(key, _)| key.as_bytes()));
    known_rows(connection, keys, now).await
}

pub(super) async fn answers(
    connection: &mut SqliteConnection,
    keys: String,
    now: i64,
) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as(ANSWERS).bind(keys).bind(now).fetch_all(connection).await
}

pub(super) fn key(bytes: Vec<u8>) -> Result<JobKey, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Form("a job key of another length"))?;
    Ok(JobKey::from_bytes(bytes))
}

pub(super) fn answer(row: Row) -> Result<StoredAnswer, StoreError> {
    let (bytes, created_at, expires_at, finished_at, purge_at, answer, failure) = row;
    let expires_at = at(expires_at)?;
    Ok(StoredAnswer {
        key: key(bytes)?,
        created_at: at(created_at)?,
        expires_at,
        finished_at: at(finished_at)?,
        purge_at: at(purge_at)?,
        answer: answer.map(Sealed::from_bytes),
        validity: AnswerValidity::of(failure.as_deref(), expires_at),
    })
}

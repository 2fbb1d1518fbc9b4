//! Reading answers.

use std::collections::HashSet;

use time::OffsetDateTime;

use super::PostgresStore;
use crate::{
    id::JobKey,
    store::{StoreError, StoredAnswer},
    vault::Sealed,
};

const KNOWN: &str = "select key from jobs where key = any($1) and purge_at > now()";

const ANSWERS: &str = "\
    select key, created_at, expires_at, finished_at, purge_at, \
           case when status < 3 then answer end from jobs \
    where key = any($1) and purge_at > now()";

pub(super) type AnswerRow =
    (Vec<u8>, OffsetDateTime, OffsetDateTime, OffsetDateTime, OffsetDateTime, Option<Vec<u8>>);

impl PostgresStore {
    /// Which of `keys` have an answer.
    pub async fn known(&self, keys: &[JobKey]) -> Result<HashSet<JobKey>, StoreError> {
        if keys.is_empty() {
            return Ok(HashSet::new());
        }
        let keys = &bytes(keys);
        let rows = self.pool.run(|mut connection| async move {
            let rows: Vec<Vec<u8>> =
                sqlx::query_scalar(KNOWN).bind(keys).fetch_all(&mut connection).await?;
            Ok((rows, connection))
        });
        rows.await?.into_iter().map(key).collect()
    }

    /// The answers to `keys`, in no order; those without one are left out.
    pub async fn answers(&self, keys: &[JobKey]) -> Result<Vec<StoredAnswer>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys = &bytes(keys);
        let rows = self.pool.run(|mut connection| async move {
            let rows: Vec<AnswerRow> =
                sqlx::query_as(ANSWERS).bind(keys).fetch_all(&mut connection).await?;
            Ok((rows, connection))
        });
        rows.await?.into_iter().map(stored).collect()
    }
}

pub(super) fn bytes(keys: &[JobKey]) -> Vec<&[u8]> {
    keys.iter().map(|key| key.as_bytes().as_slice()).collect()
}

pub(super) fn key(bytes: Vec<u8>) -> Result<JobKey, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Form("jobs.key is not 16 bytes"))?;
    Ok(JobKey::from_bytes(bytes))
}

pub(super) fn stored(row: AnswerRow) -> Result<StoredAnswer, StoreError> {
    let (bytes, created_at, expires_at, finished_at, purge_at, answer) = row;
    Ok(StoredAnswer {
        key: key(bytes)?,
        created_at,
        expires_at,
        finished_at,
        purge_at,
        answer: answer.map(Sealed::from_bytes),
    })
}

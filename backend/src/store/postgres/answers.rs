//! Reading answers.

use std::collections::HashSet;

use time::OffsetDateTime;

use super::PostgresStore;
use crate::store::{answered::answered, error::StoreError};
use quhao_common::{
    crypto::vault::Sealed,
    domain::{
        answer::{AnswerValidity, StoredAnswer},
        id::JobKey,
    },
};

/// Rows are found by their keys. Whether they are past their time is asked, here and
/// elsewhere, in words that no index answers: as long as a table has no statistics, its index
/// by time looks as good, and finds every row.
const KNOWN: &str = "\
    select key, expires_at, failure from jobs where key = any($1) and purge_at - now() > '0'";

const ANSWERS: &str = "\
    select key, created_at, expires_at, finished_at, purge_at, \
           case when status < 3 then answer end, failure from jobs \
    where key = any($1) and purge_at - now() > '0'";

/// Writes nothing where an answer is kept long enough. In the order of keys, as everybody
/// locks them, and callbacks after their jobs.
const PROLONG: &str = "\
    with asked as (\
        select key, max(until) as until from unnest($1::bytea[], $2::timestamptz[]) \
               as a (key, until) group by key\
    ), short as (\
        select j.key, a.until from jobs as j join asked as a using (key) \
        where j.purge_at - now() > '0' and j.purge_at < a.until order by key for update of j\
    ), answers as (\
        update jobs as j set purge_at = short.until from short where j.key = short.key \
        returning j.key, short.until\
    ), word as (\
        update callbacks as c set purge_at = a.until from answers as a \
        where c.key = a.key and c.purge_at - now() > '0' and c.purge_at < a.until\
    ) select key from jobs where key = any($1) and purge_at - now() > '0'";

/// A row of [`KNOWN`].
type KnownRow = (Vec<u8>, OffsetDateTime, Option<String>);

/// A row of [`ANSWERS`].
pub(super) type AnswerRow = (
    Vec<u8>,
    OffsetDateTime,
    OffsetDateTime,
    OffsetDateTime,
    OffsetDateTime,
    Option<Vec<u8>>,
    Option<String>,
);

impl PostgresStore {
    /// Which of these copies, each with its deadline, have an answer that holds for them.
    pub async fn answered(
        &self,
        copies: &[(JobKey, OffsetDateTime)],
    ) -> Result<HashSet<JobKey>, StoreError> {
        if copies.is_empty() {
            return Ok(HashSet::new());
        }
        let keys = &copies.iter().map(|(key, _)| key.as_bytes().as_slice()).collect::<Vec<_>>();
        let rows = self.pool.run(|mut connection| async move {
            let rows: Vec<KnownRow> =
                sqlx::query_as(KNOWN).bind(keys).fetch_all(&mut connection).await?;
            Ok((rows, connection))
        });
        let answers = rows.await?.into_iter().map(|(bytes, expires_at, failure)| {
            Ok((key(bytes)?, AnswerValidity::of(failure.as_deref(), expires_at)))
        });
        Ok(answered(copies, answers.collect::<Result<Vec<_>, StoreError>>()?))
    }

    /// Keeps answers until the given times at least; says which there still are.
    pub async fn prolong(
        &self,
        until: &[(JobKey, OffsetDateTime)],
    ) -> Result<HashSet<JobKey>, StoreError> {
        if until.is_empty() {
            return Ok(HashSet::new());
        }
        let keys: Vec<&[u8]> = until.iter().map(|(key, _)| key.as_bytes().as_slice()).collect();
        let times: Vec<OffsetDateTime> = until.iter().map(|(_, until)| *until).collect();
        let (keys, times) = (&keys, &times);
        let rows = self.pool.run(|mut connection| async move {
            let rows: Vec<Vec<u8>> = sqlx::query_scalar(PROLONG)
                .bind(keys)
                .bind(times)
                .fetch_all(&mut connection)
                .await?;
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
    let (bytes, created_at, expires_at, finished_at, purge_at, answer, failure) = row;
    Ok(StoredAnswer {
        key: key(bytes)?,
        created_at,
        expires_at,
        finished_at,
        purge_at,
        answer: answer.map(Sealed::from_bytes),
        validity: AnswerValidity::of(failure.as_deref(), expires_at),
    })
}

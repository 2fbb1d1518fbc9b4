//! Reads answers, and keeps them for longer.

use std::collections::HashSet;

use sqlx::{FromRow, Row, postgres::PgRow};
use time::OffsetDateTime;

use super::PostgresStore;
use crate::store::{
    answer_row::AnswerRow,
    answered::{ValidityRow, answered},
    columns::job_key,
    error::StoreError,
};
use quhao_common::domain::{answer::StoredAnswer, id::JobKey};

/// Rows are found by their keys. Here and elsewhere, the condition on the retention is written
/// so that no index answers it: while a table has no statistics, its index by time looks just
/// as good to the planner, and would read every row.
const VALIDITY: &str = "\
    select key, expires_at, failure from jobs where key = any($1) and purge_at - now() > '0'";

const ANSWERS: &str = "\
    select key, created_at, expires_at, finished_at, purge_at, \
           case when status < 3 then answer end as answer, failure from jobs \
    where key = any($1) and purge_at - now() > '0'";

/// Writes nothing where an answer is kept long enough. Rows are locked in the order of keys, as
/// everywhere, and callbacks after their jobs.
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
    ), events as (\
        update callbacks as c set purge_at = a.until from answers as a \
        where c.key = a.key and c.purge_at - now() > '0' and c.purge_at < a.until\
    ) select key from jobs where key = any($1) and purge_at - now() > '0'";

impl FromRow<'_, PgRow> for ValidityRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            key: row.try_get("key")?,
            expires_at: row.try_get("expires_at")?,
            failure: row.try_get("failure")?,
        })
    }
}

impl FromRow<'_, PgRow> for AnswerRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            key: row.try_get("key")?,
            created_at: row.try_get("created_at")?,
            expires_at: row.try_get("expires_at")?,
            finished_at: row.try_get("finished_at")?,
            purge_at: row.try_get("purge_at")?,
            answer: row.try_get("answer")?,
            failure: row.try_get("failure")?,
        })
    }
}

impl PostgresStore {
    /// Returns which of these jobs, each with the deadline of one delivery, are answered.
    pub(crate) async fn answered(
        &self,
        jobs: &[(JobKey, OffsetDateTime)],
    ) -> Result<HashSet<JobKey>, StoreError> {
        if jobs.is_empty() {
            return Ok(HashSet::new());
        }
        let keys = &bytes(jobs.iter().map(|(key, _)| key));
        let rows = self.pool.run(|mut connection| async move {
            let rows: Vec<ValidityRow> =
                sqlx::query_as(VALIDITY).bind(keys).fetch_all(&mut connection).await?;
            Ok((rows, connection))
        });
        answered(jobs, rows.await?)
    }

    /// Keeps answers at least until the given times. Returns which still exist.
    pub(crate) async fn prolong(
        &self,
        until: &[(JobKey, OffsetDateTime)],
    ) -> Result<HashSet<JobKey>, StoreError> {
        if until.is_empty() {
            return Ok(HashSet::new());
        }
        let keys = &bytes(until.iter().map(|(key, _)| key));
        let times = &until.iter().map(|(_, until)| *until).collect::<Vec<OffsetDateTime>>();
        let rows = self.pool.run(|mut connection| async move {
            let rows: Vec<Vec<u8>> = sqlx::query_scalar(PROLONG)
                .bind(keys)
                .bind(times)
                .fetch_all(&mut connection)
                .await?;
            Ok((rows, connection))
        });
        rows.await?.into_iter().map(job_key).collect()
    }

    /// Returns the answers to `keys`.
    pub(crate) async fn answers(&self, keys: &[JobKey]) -> Result<Vec<StoredAnswer>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys = &bytes(keys);
        let rows = self.pool.run(|mut connection| async move {
            let rows: Vec<AnswerRow> =
                sqlx::query_as(ANSWERS).bind(keys).fetch_all(&mut connection).await?;
            Ok((rows, connection))
        });
        rows.await?.into_iter().map(AnswerRow::into_answer).collect()
    }
}

fn bytes<'a>(keys: impl IntoIterator<Item = &'a JobKey>) -> Vec<&'a [u8]> {
    keys.into_iter().map(|key| key.as_bytes().as_slice()).collect()
}

//! Answers to jobs: table `jobs`.

use std::collections::HashSet;

use sqlx::postgres::PgConnection;
use time::OffsetDateTime;

use super::PostgresStore;
use crate::{
    failure::FailureCode,
    id::JobKey,
    store::{Ending, Finished, StoreError, StoredAnswer},
    vault::Sealed,
};

const FAILED: i16 = 1;
const SUCCEEDED: i16 = 2;

const KNOWN: &str = "select key from jobs where key = any($1) and purge_at > now()";

const ANSWERS: &str = "\
    select key, created_at, expires_at, finished_at, purge_at, answer from jobs \
    where key = any($1) and purge_at > now()";

/// Writes the rows that improve on what is there, and queues the news, which Postgres
/// delivers with the commit. `$13` may replace `$14`, see [`FailureCode::replaces`]. A
/// row past its time counts as gone: the same submission may come again after days.
const WRITE: &str = "\
    with written as (\
        insert into jobs as old (key, client, app, status, failure, created_at, expires_at, \
                                 finished_at, purge_at, answer, openid, phone_hash) \
        select * from unnest($1::bytea[], $2::text[], $3::text[], $4::smallint[], $5::text[], \
                             $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], \
                             $9::timestamptz[], $10::bytea[], $11::text[], $12::bytea[]) \
        on conflict (key) do update set \
            client = excluded.client, app = excluded.app, status = excluded.status, \
            failure = excluded.failure, created_at = excluded.created_at, \
            expires_at = excluded.expires_at, finished_at = excluded.finished_at, \
            purge_at = excluded.purge_at, answer = excluded.answer, \
            openid = excluded.openid, phone_hash = excluded.phone_hash \
        where excluded.status > old.status \
           or (excluded.failure = $13 and old.failure = $14) \
           or old.purge_at <= now()\
    ) select pg_notify($15, $16)";

type AnswerRow = (Vec<u8>, OffsetDateTime, OffsetDateTime, OffsetDateTime, OffsetDateTime, Vec<u8>);

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

/// A batch as the statement takes it: one array a column.
#[derive(Default)]
pub(super) struct JobColumns<'a> {
    key: Vec<&'a [u8]>,
    client: Vec<&'a str>,
    app: Vec<&'a str>,
    status: Vec<i16>,
    failure: Vec<Option<&'static str>>,
    created_at: Vec<OffsetDateTime>,
    expires_at: Vec<OffsetDateTime>,
    finished_at: Vec<OffsetDateTime>,
    purge_at: Vec<OffsetDateTime>,
    answer: Vec<&'a [u8]>,
    openid: Vec<Option<&'a str>>,
    phone_hash: Vec<Option<&'a [u8]>>,
}

impl<'a> JobColumns<'a> {
    pub(super) fn new(batch: &[&'a Finished]) -> Self {
        let mut columns = Self::default();
        for finished in batch {
            let (status, failure) = match finished.ending {
                Ending::Failed(code) => (FAILED, Some(code.as_str())),
                Ending::Succeeded => (SUCCEEDED, None),
            };
            columns.key.push(finished.key.as_bytes());
            columns.client.push(finished.client.as_str());
            columns.app.push(finished.app.as_str());
            columns.status.push(status);
            columns.failure.push(failure);
            columns.created_at.push(finished.created_at);
            columns.expires_at.push(finished.expires_at);
            columns.finished_at.push(finished.finished_at);
            columns.purge_at.push(finished.purge_at);
            columns.answer.push(finished.answer.as_bytes());
            columns.openid.push(finished.openid.as_deref());
            columns.phone_hash.push(finished.phone_hash.as_ref().map(<[u8; 16]>::as_slice));
        }
        columns
    }

    /// Part of a transaction.
    pub(super) async fn write(
        &self,
        connection: &mut PgConnection,
        channel: &str,
        news: &str,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(WRITE)
            .bind(&self.key)
            .bind(&self.client)
            .bind(&self.app)
            .bind(&self.status)
            .bind(&self.failure)
            .bind(&self.created_at)
            .bind(&self.expires_at)
            .bind(&self.finished_at)
            .bind(&self.purge_at)
            .bind(&self.answer)
            .bind(&self.openid)
            .bind(&self.phone_hash)
            .bind(FailureCode::SessionLost.as_str())
            .bind(FailureCode::CodeAlreadyUsed.as_str())
            .bind(channel)
            .bind(news)
            .execute(connection)
            .await?;
        Ok(())
    }
}

fn bytes(keys: &[JobKey]) -> Vec<&[u8]> {
    keys.iter().map(|key| key.as_bytes().as_slice()).collect()
}

fn key(bytes: Vec<u8>) -> Result<JobKey, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Form("jobs.key is not 16 bytes"))?;
    Ok(JobKey::from_bytes(bytes))
}

fn stored(row: AnswerRow) -> Result<StoredAnswer, StoreError> {
    let (bytes, created_at, expires_at, finished_at, purge_at, answer) = row;
    Ok(StoredAnswer {
        key: key(bytes)?,
        created_at,
        expires_at,
        finished_at,
        purge_at,
        answer: Sealed::from_bytes(answer),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_knows_every_failure_that_replaces_another() {
        for code in FailureCode::ALL {
            for earlier in FailureCode::ALL {
                let known =
                    (*code, *earlier) == (FailureCode::SessionLost, FailureCode::CodeAlreadyUsed);
                assert_eq!(code.replaces(*earlier), known, "{code:?} over {earlier:?}");
            }
        }
    }
}

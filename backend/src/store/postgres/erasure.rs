//! Erases an answer or a person, and records what keeps out outcomes that are under way.

use sqlx::{
    Connection, FromRow, Row,
    postgres::{PgConnection, PgRow},
};

use super::{PostgresStore, advisory_lock::BEGIN_RECORD, callbacks, notification};
use crate::store::{
    erasure::{Erased, Erasure, ErasureRecord, Tombstone},
    error::StoreError,
};
use quhao_common::crypto::vault::KeyedHash;

const RECORD: &str = "\
    insert into erasures as old (app, subject, erased_at, purge_at) \
    select distinct $1, subject, $3::timestamptz, $4::timestamptz \
    from unnest($2::bytea[]) as given (subject) \
    on conflict (app, subject) do update set \
        erased_at = greatest(old.erased_at, excluded.erased_at), \
        purge_at = greatest(old.purge_at, excluded.purge_at)";

/// Waits for a commit of the same job that is under way.
const KEEP_OUT: &str = "\
    insert into jobs (key, client, app, status, created_at, expires_at, finished_at, purge_at, \
                      answer) \
    values ($1, $2, $3, 3, $4, $4, $4, $5, '') on conflict (key) do nothing";

/// A row past its retention counts as gone: what takes its place is new.
const ERASE_ONE: &str = "\
    update jobs as j set status = 3, failure = null, answer = '', openid = null, \
        phone_hash = null, purge_at = greatest(old.purge_at, $4) \
    from (select key, status, purge_at, purge_at <= now() as gone from jobs \
          where key = $1 and client = $2 and app = $3 for update) as old \
    where j.key = old.key returning not old.gone and old.status < 3";

const NOTIFY: &str = "select pg_notify($1, $2)";

/// Locks rows in the order of keys, as everywhere.
const ERASE_ANSWERS: &str = "\
    with found as (\
        select key, openid from jobs \
        where client = $1 and app = $2 and status < 3 \
          and (openid = any($3) or phone_hash = any($4)) \
        order by key for update\
    ) update jobs as j set status = 3, failure = null, answer = '', openid = null, \
                           phone_hash = null \
    from found where j.key = found.key returning j.key, found.openid";

/// Locks rows in the order of guests, as everywhere.
const ERASE_SESSIONS: &str = "\
    with found as (\
        select client, app, openid from sessions \
        where client = $1 and app = $2 and (openid = any($3) or phone_hash = any($4)) \
        order by openid collate \"C\" for update\
    ) delete from sessions as s using found as f \
    where s.client = f.client and s.app = f.app and s.openid = f.openid";

/// A row of [`ERASE_ANSWERS`].
struct ErasedRow {
    key: Vec<u8>,
    openid: Option<String>,
}

impl FromRow<'_, PgRow> for ErasedRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { key: row.try_get("key")?, openid: row.try_get("openid")? })
    }
}

impl PostgresStore {
    /// Erases one answer. If it is still to come, it will not be stored. Returns whether there
    /// was one.
    pub(crate) async fn erase_job(&self, tombstone: &Tombstone) -> Result<bool, StoreError> {
        let payload = &notification::payload(std::iter::once(&tombstone.key), None);
        let erased = self.pool.run(|mut connection| async move {
            let mut transaction = connection.begin().await?;
            let was_there = erase_one(&mut transaction, tombstone).await?;
            let key = tombstone.key.as_bytes().to_vec();
            callbacks::cancel_outdated(&mut transaction, &[key]).await?;
            sqlx::query(NOTIFY)
                .bind(notification::CHANNEL)
                .bind(payload)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok((was_there, connection))
        });
        Ok(erased.await?)
    }

    /// Erases everything about a person. What jobs that were created earlier may still bring will
    /// not be stored.
    pub(crate) async fn erase_person(&self, erasure: &Erasure) -> Result<Erased, StoreError> {
        self.record_erasure(erasure.record()).await?;
        let erased = self.pool.run(|mut connection| async move {
            let mut transaction = connection.begin().await?;
            let erased = erase_person(&mut transaction, erasure).await?;
            transaction.commit().await?;
            Ok((erased, connection))
        });
        Ok(erased.await?)
    }

    /// Records an erasure. Once it has returned, no commit adds outcomes of earlier jobs about its
    /// subjects.
    pub(super) async fn record_erasure(&self, record: ErasureRecord<'_>) -> Result<(), StoreError> {
        let subjects = &slices(record.subjects);
        let recorded = self.pool.run(|mut connection| async move {
            let mut transaction = connection.begin_with(BEGIN_RECORD).await?;
            sqlx::query(RECORD)
                .bind(record.app.as_str())
                .bind(subjects)
                .bind(record.erased_at)
                .bind(record.purge_at)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(((), connection))
        });
        Ok(recorded.await?)
    }
}

/// Erases one answer, or writes that it is erased before it comes. Part of a transaction.
async fn erase_one(
    connection: &mut PgConnection,
    tombstone: &Tombstone,
) -> Result<bool, sqlx::Error> {
    // Twice, because a purge may delete the row that the first step met before the second.
    for _ in 0..2 {
        let kept_out = sqlx::query(KEEP_OUT)
            .bind(tombstone.key.as_bytes().as_slice())
            .bind(tombstone.client.as_str())
            .bind(tombstone.app.as_str())
            .bind(tombstone.erased_at)
            .bind(tombstone.purge_at)
            .execute(&mut *connection)
            .await?;
        if kept_out.rows_affected() > 0 {
            return Ok(false);
        }
        let was_there: Option<bool> = sqlx::query_scalar(ERASE_ONE)
            .bind(tombstone.key.as_bytes().as_slice())
            .bind(tombstone.client.as_str())
            .bind(tombstone.app.as_str())
            .bind(tombstone.purge_at)
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(was_there) = was_there {
            return Ok(was_there);
        }
    }
    Ok(false)
}

/// Erases the answers of a person, their callbacks and the sessions, in the order in which all
/// transactions lock them. Part of a transaction.
async fn erase_person(
    connection: &mut PgConnection,
    erasure: &Erasure,
) -> Result<Erased, sqlx::Error> {
    let hashes = slices(&erasure.phone_hashes);
    let answers: Vec<ErasedRow> = sqlx::query_as(ERASE_ANSWERS)
        .bind(erasure.client.as_str())
        .bind(erasure.app.as_str())
        .bind(&erasure.openids)
        .bind(&hashes)
        .fetch_all(&mut *connection)
        .await?;
    let mut keys = Vec::with_capacity(answers.len());
    let mut openids = erasure.openids.clone();
    for row in answers {
        keys.push(row.key);
        openids.extend(row.openid);
    }
    callbacks::cancel_outdated(connection, &keys).await?;
    let sessions = sqlx::query(ERASE_SESSIONS)
        .bind(erasure.client.as_str())
        .bind(erasure.app.as_str())
        .bind(openids)
        .bind(&hashes)
        .execute(connection)
        .await?;
    Ok(Erased { answers: keys.len() as u64, sessions: sessions.rows_affected() })
}

fn slices(hashes: &[KeyedHash]) -> Vec<&[u8]> {
    hashes.iter().map(<[u8; 16]>::as_slice).collect()
}

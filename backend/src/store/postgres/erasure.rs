//! Erasure of an answer and of a person, and the record that keeps out what is under way.

use sqlx::{Connection, postgres::PgConnection};
use time::OffsetDateTime;

use super::{PostgresStore, advisory_lock::BEGIN_RECORD, callbacks, notification};
use crate::store::{
    erasure::{Erased, Erasure, Tombstone},
    error::StoreError,
};
use quhao_common::{crypto::vault::KeyedHash, domain::app::AppId};

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

/// A row past its time counts as gone: its successor is a new one.
const ERASE_ONE: &str = "\
    update jobs as j set status = 3, failure = null, answer = '', openid = null, \
        phone_hash = null, purge_at = greatest(old.purge_at, $4) \
    from (select key, status, purge_at, purge_at <= now() as gone from jobs \
          where key = $1 and client = $2 and app = $3 for update) as old \
    where j.key = old.key returning not old.gone and old.status < 3";

const NOTIFY: &str = "select pg_notify($1, $2)";

/// In the order of keys, as everybody locks them.
const ERASE_ANSWERS: &str = "\
    with found as (\
        select key, openid from jobs \
        where client = $1 and app = $2 and status < 3 \
          and (openid = any($3) or phone_hash = any($4)) \
        order by key for update\
    ) update jobs as j set status = 3, failure = null, answer = '', openid = null, \
                           phone_hash = null \
    from found where j.key = found.key returning j.key, found.openid";

/// In the order of guests, as everybody locks them.
const ERASE_SESSIONS: &str = "\
    with found as (\
        select client, app, openid from sessions \
        where client = $1 and app = $2 and (openid = any($3) or phone_hash = any($4)) \
        order by openid collate \"C\" for update\
    ) delete from sessions as s using found as f \
    where s.client = f.client and s.app = f.app and s.openid = f.openid";

impl PostgresStore {
    /// Erases one answer, or keeps out the one that may come. True if there was one.
    pub async fn erase_job(&self, tombstone: &Tombstone) -> Result<bool, StoreError> {
        let news = &notification::payload(std::iter::once(&tombstone.key), None);
        let erased = self.pool.run(|mut connection| async move {
            let mut transaction = connection.begin().await?;
            let was_there = erase_one(&mut transaction, tombstone).await?;
            let key = tombstone.key.as_bytes().to_vec();
            callbacks::cancel_outgrown(&mut transaction, &[key]).await?;
            sqlx::query(NOTIFY)
                .bind(notification::CHANNEL)
                .bind(news)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok((was_there, connection))
        });
        Ok(erased.await?)
    }

    /// Erases everything about a person, and keeps out what earlier jobs may bring.
    pub async fn erase_person(&self, erasure: &Erasure) -> Result<Erased, StoreError> {
        let times = (erasure.erased_at, erasure.purge_at);
        self.record_erasure(&erasure.app, &erasure.subjects, times).await?;
        let erased = self.pool.run(|mut connection| async move {
            let mut transaction = connection.begin().await?;
            let erased = erase_person(&mut transaction, erasure).await?;
            transaction.commit().await?;
            Ok((erased, connection))
        });
        Ok(erased.await?)
    }

    /// From its end on, nothing of `subjects` comes that is not there yet.
    pub(super) async fn record_erasure(
        &self,
        app: &AppId,
        subjects: &[KeyedHash],
        (erased_at, purge_at): (OffsetDateTime, OffsetDateTime),
    ) -> Result<(), StoreError> {
        let subjects = &slices(subjects);
        let recorded = self.pool.run(|mut connection| async move {
            let mut transaction = connection.begin_with(BEGIN_RECORD).await?;
            sqlx::query(RECORD)
                .bind(app.as_str())
                .bind(subjects)
                .bind(erased_at)
                .bind(purge_at)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(((), connection))
        });
        Ok(recorded.await?)
    }
}

/// Part of a transaction.
async fn erase_one(
    connection: &mut PgConnection,
    tombstone: &Tombstone,
) -> Result<bool, sqlx::Error> {
    // Twice, because what the first step met, a purge may take away before the second.
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

/// Part of a transaction: jobs, their callbacks, guests.
async fn erase_person(
    connection: &mut PgConnection,
    erasure: &Erasure,
) -> Result<Erased, sqlx::Error> {
    let hashes = slices(&erasure.phone_hashes);
    let answers: Vec<(Vec<u8>, Option<String>)> = sqlx::query_as(ERASE_ANSWERS)
        .bind(erasure.client.as_str())
        .bind(erasure.app.as_str())
        .bind(&erasure.openids)
        .bind(&hashes)
        .fetch_all(&mut *connection)
        .await?;
    let (keys, openids): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    callbacks::cancel_outgrown(connection, &keys).await?;
    let mut openids: Vec<String> = openids.into_iter().flatten().collect();
    openids.extend_from_slice(&erasure.openids);
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

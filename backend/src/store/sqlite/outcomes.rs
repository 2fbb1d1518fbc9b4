//! Commits a batch of outcomes.

use sqlx::SqliteConnection;

use super::{SqliteStore, callbacks, encoding::now_ms, exchanges, phones};
use crate::store::{
    answer_row::{ERASED, FAILED, SUCCEEDED},
    batch::{guest_updates, ranked},
    erasure::WHOLE_APP,
    error::StoreError,
    notification::{FinishedJobs, Notification},
    throughput::Throughput,
};
use quhao_common::{
    domain::{
        failure::FailureCode,
        finished::{FinalState, Finished},
    },
    envelope::unix_ms::unix_ms,
};

/// Finds out whether the outcome of a job that was created then is about somebody who was
/// erased.
pub(super) const IS_ERASED: &str = "
SELECT EXISTS (SELECT 1 FROM erasures
                WHERE app = ?1 AND subject IN (?2, ?3, ?4) AND erased_at >= ?5
                  AND purge_at > ?6)";

/// Writes an answer by the rule of [`FinalState::replaces`], which a test compares it with. An
/// erased answer (3) replaces all others. A row past its `purge_at` counts as gone.
const IMPROVE: &str = "
INSERT INTO jobs (key, client, app, status, failure, created_at, expires_at, finished_at,
                  purge_at, answer, openid, phone_hash)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
ON CONFLICT (key) DO UPDATE
   SET client = excluded.client, app = excluded.app, status = excluded.status,
       failure = excluded.failure, created_at = excluded.created_at,
       expires_at = excluded.expires_at, finished_at = excluded.finished_at,
       purge_at = max(jobs.purge_at, excluded.purge_at), answer = excluded.answer,
       openid = excluded.openid, phone_hash = excluded.phone_hash
 WHERE excluded.status > jobs.status
    OR (excluded.failure = 'session_lost' AND jobs.failure = 'code_already_used')
    OR jobs.purge_at <= ?13";

/// Moves the deadline of an answer that a deadline passed: a duplicate with a later one has
/// failed too, so the answer is valid for it as well.
const EXTEND: &str = "
UPDATE jobs SET expires_at = ?2, purge_at = max(purge_at, ?3)
 WHERE key = ?1 AND failure = ?4 AND expires_at < ?2";

impl SqliteStore {
    /// Commits a batch of outcomes with their sessions, and notifies listeners.
    pub(crate) async fn finish(&self, batch: &[Finished]) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let best = ranked(batch).into_iter().filter(|outcome| outcome.best);
        let keys = best.map(|outcome| outcome.finished.key).collect();
        let throughput = Throughput::of(batch);
        let batch = batch.to_vec();
        let now = now_ms();
        self.database
            .write(self.limit, move |connection| {
                Box::pin(async move { commit(connection, &batch, now).await })
            })
            .await?;
        self.notify(Notification::of_commit(FinishedJobs::Keys(keys), throughput));
        Ok(())
    }
}

async fn commit(
    connection: &mut SqliteConnection,
    batch: &[Finished],
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let mut kept = Vec::with_capacity(batch.len());
    for outcome in ranked(batch) {
        let finished = outcome.finished;
        let erased = is_erased(connection, finished, now_ms).await?;
        let written = outcome.best && write(connection, finished, erased, now_ms).await?;
        if !erased {
            if !written && matches!(finished.final_state, FinalState::Failed(_)) {
                extend(connection, finished).await?;
            }
            kept.push(finished);
        }
    }
    let updates = guest_updates(kept);
    for exchange in updates.rounds.iter().flatten() {
        exchanges::store(connection, exchange, now_ms).await?;
    }
    for (guest, hash) in updates.phones {
        phones::store(connection, guest, hash).await?;
    }
    Ok(())
}

async fn is_erased(
    connection: &mut SqliteConnection,
    finished: &Finished,
    now_ms: i64,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(IS_ERASED)
        .bind(finished.app.as_str())
        .bind(WHOLE_APP.as_slice())
        .bind(finished.guest_hash.as_ref().map(<[u8; 16]>::as_slice))
        .bind(finished.phone_hash.as_ref().map(<[u8; 16]>::as_slice))
        .bind(unix_ms(finished.created_at))
        .bind(now_ms)
        .fetch_one(connection)
        .await
}

/// Extends the answer that is valid for this failure too, if it is one that a deadline passed.
async fn extend(connection: &mut SqliteConnection, finished: &Finished) -> Result<(), sqlx::Error> {
    sqlx::query(EXTEND)
        .bind(finished.key.as_bytes().as_slice())
        .bind(unix_ms(finished.expires_at))
        .bind(unix_ms(finished.purge_at))
        .bind(FailureCode::DeadlineExceeded.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes an answer, unless what is there is as good, and makes its event due. Returns whether
/// it was written.
async fn write(
    connection: &mut SqliteConnection,
    finished: &Finished,
    is_erased: bool,
    now_ms: i64,
) -> Result<bool, sqlx::Error> {
    let status = match finished.final_state {
        _ if is_erased => ERASED,
        FinalState::Failed(_) => FAILED,
        FinalState::Succeeded => SUCCEEDED,
    };
    if !improve(connection, finished, status, now_ms).await? {
        return Ok(false);
    }
    if status > FAILED {
        callbacks::cancel_outdated(connection, finished.key.as_bytes().to_vec(), now_ms).await?;
    }
    if let Some(due_at) = finished.callback
        && !is_erased
    {
        callbacks::make_due(connection, finished, status, unix_ms(due_at), now_ms).await?;
    }
    Ok(true)
}

/// Writes the row of an answer with this `status` if it improves on what is there. Returns
/// whether it was written.
async fn improve(
    connection: &mut SqliteConnection,
    finished: &Finished,
    status: i16,
    now_ms: i64,
) -> Result<bool, sqlx::Error> {
    let failure = match finished.final_state {
        FinalState::Failed(code) if status == FAILED => Some(code.as_str()),
        FinalState::Failed(_) | FinalState::Succeeded => None,
    };
    let kept = if status == ERASED { None } else { Some(finished) };
    let written = sqlx::query(IMPROVE)
        .bind(finished.key.as_bytes().as_slice())
        .bind(finished.client.as_str())
        .bind(finished.app.as_str())
        .bind(status)
        .bind(failure)
        .bind(unix_ms(finished.created_at))
        .bind(unix_ms(finished.expires_at))
        .bind(unix_ms(finished.finished_at))
        .bind(unix_ms(finished.purge_at))
        .bind(kept.map_or(&[][..], |kept| kept.answer.as_bytes()))
        .bind(kept.and_then(|kept| kept.openid.as_deref()))
        .bind(kept.and_then(|kept| kept.phone_hash.as_ref()).map(<[u8; 16]>::as_slice))
        .bind(now_ms)
        .execute(connection)
        .await?;
    Ok(written.rows_affected() > 0)
}

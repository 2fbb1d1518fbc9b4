//! Committing a batch of outcomes.

use sqlx::SqliteConnection;

use super::{callbacks, exchanges, phones};
use crate::store::{
    batch::{guests, ranked},
    erasure::WHOLE_APP,
};
use quhao_common::{
    domain::{
        failure::FailureCode,
        finished::{FinalState, Finished},
    },
    envelope::unix_ms::unix_ms,
};

/// Whether the outcome of a job that was created then is of somebody who was erased.
pub(super) const IS_ERASED: &str = "
SELECT EXISTS (SELECT 1 FROM erasures
                WHERE app = ?1 AND subject IN (?2, ?3, ?4) AND erased_at >= ?5
                  AND purge_at > ?6)";

/// The same rule as [`FinalState::replaces`], and a test holds it to that; what was erased (3)
/// is over all. What is past its `purge_at` counts as gone.
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

/// A later copy of a job whose deadline passed has failed, too: that holds for it as well.
const HOLD_LONGER: &str = "
UPDATE jobs SET expires_at = ?2, purge_at = max(purge_at, ?3)
 WHERE key = ?1 AND failure = ?4 AND expires_at < ?2";

const FAILED: i16 = 1;
const SUCCEEDED: i16 = 2;
const ERASED: i16 = 3;

/// Commits `batch`.
pub(super) async fn commit(
    connection: &mut SqliteConnection,
    batch: &[Finished],
    now: i64,
) -> Result<(), sqlx::Error> {
    let mut kept = Vec::with_capacity(batch.len());
    for outcome in ranked(batch) {
        let finished = outcome.finished;
        let erased = is_erased(connection, finished, now).await?;
        let written = outcome.best && write(connection, finished, erased, now).await?;
        if !erased {
            if !written && matches!(finished.final_state, FinalState::Failed(_)) {
                hold_longer(connection, finished).await?;
            }
            kept.push(finished);
        }
    }
    let guests = guests(kept);
    for exchange in guests.rounds.iter().flatten() {
        exchanges::keep(connection, exchange, now).await?;
    }
    for (guest, hash) in guests.phones {
        phones::give(connection, guest, hash).await?;
    }
    Ok(())
}

async fn is_erased(
    connection: &mut SqliteConnection,
    finished: &Finished,
    now: i64,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(IS_ERASED)
        .bind(finished.app.as_str())
        .bind(WHOLE_APP.as_slice())
        .bind(finished.guest_hash.as_ref().map(<[u8; 16]>::as_slice))
        .bind(finished.phone_hash.as_ref().map(<[u8; 16]>::as_slice))
        .bind(unix_ms(finished.created_at))
        .bind(now)
        .fetch_one(connection)
        .await
}

async fn hold_longer(
    connection: &mut SqliteConnection,
    finished: &Finished,
) -> Result<(), sqlx::Error> {
    sqlx::query(HOLD_LONGER)
        .bind(finished.key.as_bytes().as_slice())
        .bind(unix_ms(finished.expires_at))
        .bind(unix_ms(finished.purge_at))
        .bind(FailureCode::DeadlineExceeded.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps an answer, unless what is there is as good, with word of it. Says whether it did.
async fn write(
    connection: &mut SqliteConnection,
    finished: &Finished,
    erased: bool,
    now: i64,
) -> Result<bool, sqlx::Error> {
    let status = match finished.final_state {
        _ if erased => ERASED,
        FinalState::Failed(_) => FAILED,
        FinalState::Succeeded => SUCCEEDED,
    };
    if !improve(connection, finished, status, now).await? {
        return Ok(false);
    }
    if status > FAILED {
        callbacks::cancel_outgrown(connection, finished.key.as_bytes().to_vec(), now).await?;
    }
    if let Some(due_at) = finished.callback.filter(|_| !erased) {
        callbacks::make_due(connection, finished, (status, unix_ms(due_at)), now).await?;
    }
    Ok(true)
}

/// Says whether it was written.
async fn improve(
    connection: &mut SqliteConnection,
    finished: &Finished,
    status: i16,
    now: i64,
) -> Result<bool, sqlx::Error> {
    let failure = match finished.final_state {
        FinalState::Failed(code) => Some(code.as_str()),
        FinalState::Succeeded => None,
    };
    let (answer, kept) = match status {
        ERASED => (&[][..], None),
        _ => (finished.answer.as_bytes(), Some(finished)),
    };
    let written = sqlx::query(IMPROVE)
        .bind(finished.key.as_bytes().as_slice())
        .bind(finished.client.as_str())
        .bind(finished.app.as_str())
        .bind(status)
        .bind(failure.filter(|_| status == FAILED))
        .bind(unix_ms(finished.created_at))
        .bind(unix_ms(finished.expires_at))
        .bind(unix_ms(finished.finished_at))
        .bind(unix_ms(finished.purge_at))
        .bind(answer)
        .bind(kept.and_then(|kept| kept.openid.as_deref()))
        .bind(kept.and_then(|kept| kept.phone_hash.as_ref()).map(<[u8; 16]>::as_slice))
        .bind(now)
        .execute(connection)
        .await?;
    Ok(written.rows_affected() > 0)
}

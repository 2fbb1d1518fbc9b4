//! Makes the rows that the store commits. Pure but for the nonces of sealing.

use std::time::Duration;

use quhao_common::{
    crypto::vault::{HashOf, Vault},
    domain::{
        answer::Answer,
        failure::{Failure, FailureCode},
        finished::{FinalState, Finished, NewSession},
        job::Job,
        outcome::{Opened, Outcome},
        phone::{LoginCode, Phone},
        session_handle::HandleKey,
    },
};
use time::OffsetDateTime;

use crate::{
    context::Context,
    job::{pipeline::Completed, received::ReceivedJob, session_key},
    platform::Session,
};

/// How much longer an answer is kept than its own job's URL can ask for it.
///
/// Duplicates of the job that arrive while it is running are settled by its outcome, and their
/// URLs live on: by one longest deadline at most, and some seconds.
const DUPLICATES_LIVE_ON: Duration = Duration::from_mins(5);

/// Returns the row of a job that ran, sealed.
pub(crate) fn completed(
    context: &Context,
    received: &ReceivedJob,
    completed: Completed,
    now: OffsetDateTime,
) -> Finished {
    let job = &received.job;
    let vault = &received.registry.vault;
    let app = job.app.as_str();
    let key = job.id.key();
    let Completed { outcome, openid, session } = completed;
    let final_state = match &outcome {
        Outcome::Succeeded(_) => FinalState::Succeeded,
        Outcome::Failed(failure) => FinalState::Failed(failure.code),
    };
    let guest_hash =
        openid.as_ref().map(|openid| vault.hash(HashOf::Guest, app, openid.as_bytes()));
    let phone = phone_of(received, &outcome);
    let phone_hash = phone.map(|phone| vault.hash(HashOf::Phone, app, phone.e164.as_bytes()));
    let session = match (&session, job.work.login_code()) {
        (Some(session), Some(code)) => Some(new_session(context, received, session, code)),
        _ => None,
    };
    Finished {
        key,
        client: job.client.clone(),
        app: job.app.clone(),
        final_state,
        created_at: job.created_at,
        expires_at: job.expires_at,
        taken_at: (!received.delivery.redelivered).then_some(received.received_at),
        finished_at: now,
        purge_at: job.expires_at + DUPLICATES_LIVE_ON + context.retention,
        answer: Answer::new(job, outcome).seal(vault, key, &job.app),
        openid,
        guest_hash,
        phone_hash,
        callback: notify_at(context, job, final_state),
        session,
    }
}

/// Returns the row of a job that failed with `code` without having run here, sealed.
pub(crate) fn failed(
    context: &Context,
    vault: &Vault,
    job: &Job,
    code: FailureCode,
    now: OffsetDateTime,
) -> Finished {
    let key = job.id.key();
    let final_state = FinalState::Failed(code);
    Finished {
        key,
        client: job.client.clone(),
        app: job.app.clone(),
        final_state,
        created_at: job.created_at,
        expires_at: job.expires_at,
        taken_at: None,
        finished_at: now,
        purge_at: job.expires_at + context.retention,
        answer: Answer::new(job, Outcome::Failed(Failure::from(code))).seal(vault, key, &job.app),
        openid: None,
        guest_hash: None,
        phone_hash: None,
        callback: notify_at(context, job, final_state),
        session: None,
    }
}

/// Returns from when on the client may be notified of the job's end, if it wants to be.
///
/// It is notified of a deadline that passed when no other outcome can be on its way any more,
/// which is also when polls say so.
fn notify_at(context: &Context, job: &Job, final_state: FinalState) -> Option<OffsetDateTime> {
    job.callback_url.as_ref()?;
    match final_state {
        FinalState::Failed(FailureCode::DeadlineExceeded) => Some(job.expires_at + context.grace),
        FinalState::Failed(_) | FinalState::Succeeded => Some(job.created_at),
    }
}

/// Returns the number that the owner of the job gets to know, asked for or not: an erasure by
/// number must find it.
fn phone_of(received: &ReceivedJob, outcome: &Outcome) -> Option<Phone> {
    let Outcome::Succeeded(success) = outcome else { return None };
    match &success.opened {
        Opened::Nothing => None,
        Opened::Phone(phone) => Some(phone.clone()),
        Opened::OpenData(object) => received.platform.phone_in(object),
    }
}

fn new_session(
    context: &Context,
    received: &ReceivedJob,
    session: &Session,
    code: &LoginCode,
) -> NewSession {
    let job = &received.job;
    let vault = &received.registry.vault;
    NewSession {
        openid: session.openid.clone(),
        handle: HandleKey::of(&job.client, &job.app, &session.openid),
        unionid: session.unionid.clone(),
        key: session_key::seal(vault, &job.client, &job.app, &session.openid, &session.key),
        key_hash: session_key::fingerprint(&job.client, &job.app, &session.openid, &session.key),
        code_hash: vault.hash(HashOf::LoginCode, job.app.as_str(), code.expose().as_bytes()),
        exchanged_at: session.exchanged_at,
        purge_at: session.exchanged_at + context.session_retention,
    }
}

//! From an outcome to what the store commits. Pure but for the nonces of sealing.

use std::time::Duration;

use quhao_common::{
    crypto::vault::HashOf,
    domain::{
        answer::Answer,
        finished::{FinalState, Finished, NewSession},
        outcome::{Opened, Outcome},
        phone::{LoginCode, Phone},
        session_handle::HandleKey,
    },
};
use time::OffsetDateTime;

use crate::{
    context::{Context, Taken},
    job::{pipeline::Done, session_key},
    platform::Session,
};

/// How much longer an answer is kept than its own job's URL can ask for it.
///
/// Copies of the job that come while it is being worked on are settled by its outcome, and
/// their URLs live on: by one longest deadline at most, and some seconds.
const LATER_COPIES: Duration = Duration::from_mins(5);

/// The row of `job`, sealed.
pub fn finished(context: &Context, taken: &Taken, done: Done, now: OffsetDateTime) -> Finished {
    let (job, vault) = (&taken.job, &taken.registry.vault);
    let app = job.app.as_str();
    let final_state = match &done.outcome {
        Outcome::Succeeded(_) => FinalState::Succeeded,
        Outcome::Failed(failure) => FinalState::Failed(failure.code),
    };
    let phone_hash = phone_of(taken, &done.outcome)
        .map(|phone| vault.hash(HashOf::Phone, app, phone.e164.as_bytes()));
    let key = job.id.key();
    Finished {
        key,
        client: job.client.clone(),
        app: job.app.clone(),
        final_state,
        created_at: job.created_at,
        expires_at: job.expires_at,
        taken_at: (!taken.redelivered).then_some(taken.taken_at),
        finished_at: now,
        purge_at: job.expires_at + LATER_COPIES + context.retention,
        answer: Answer::new(job, done.outcome).seal(vault, key, &job.app),
        guest_hash: done
            .openid
            .as_ref()
            .map(|openid| vault.hash(HashOf::Guest, app, openid.as_bytes())),
        openid: done.openid,
        phone_hash,
        callback: job.callback_url.is_some().then_some(job.created_at),
        session: done
            .session
            .zip(job.work.login_code())
            .map(|(session, code)| new_session(context, taken, &session, code)),
    }
}

/// The number that the owner of the job gets to know, asked for or not: an erasure by number
/// must find it.
fn phone_of(taken: &Taken, outcome: &Outcome) -> Option<Phone> {
    let Outcome::Succeeded(success) = outcome else { return None };
    match &success.opened {
        Opened::Nothing => None,
        Opened::Phone(phone) => Some(phone.clone()),
        Opened::OpenData(object) => taken.platform.phone_in(object),
    }
}

fn new_session(
    context: &Context,
    taken: &Taken,
    session: &Session,
    code: &LoginCode,
) -> NewSession {
    let (job, vault) = (&taken.job, &taken.registry.vault);
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

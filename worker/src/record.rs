//! From an outcome to what the store commits. Pure but for the nonces of sealing.

use quhao_common::{
    answer::Answer,
    job::Job,
    outcome::{Opened, Outcome},
    store::{Ending, Finished, NewSession},
    vault::HashOf,
};
use time::OffsetDateTime;

use crate::{context::Context, pipeline::Done, platform::Session, session};

/// The row of `job`, sealed.
pub fn finished(context: &Context, job: &Job, done: Done, now: OffsetDateTime) -> Finished {
    let app = job.app.as_str();
    let ending = match &done.outcome {
        Outcome::Succeeded(_) => Ending::Succeeded,
        Outcome::Failed(failure) => Ending::Failed(failure.code),
    };
    let phone_hash = match &done.outcome {
        Outcome::Succeeded(success) => match &success.opened {
            Opened::Phone(phone) => {
                Some(context.vault.hash(HashOf::Phone, app, phone.e164.as_bytes()))
            }
            Opened::Nothing | Opened::OpenData(_) => None,
        },
        Outcome::Failed(_) => None,
    };
    let key = job.id.key();
    Finished {
        key,
        client: job.client.clone(),
        app: job.app.clone(),
        ending,
        created_at: job.created_at,
        expires_at: job.expires_at,
        finished_at: now,
        purge_at: job.expires_at + context.retention,
        answer: Answer::new(job, done.outcome).seal(&context.vault, key, &job.app),
        openid: done.openid,
        phone_hash,
        session: done.session.map(|session| new_session(context, job, &session)),
    }
}

fn new_session(context: &Context, job: &Job, session: &Session) -> NewSession {
    let app = job.app.as_str();
    let code = job.work.code().expose().as_bytes();
    NewSession {
        openid: session.openid.clone(),
        unionid: session.unionid.clone(),
        key: session::seal(&context.vault, &job.client, &job.app, &session.openid, &session.key),
        key_hash: session::fingerprint(&job.client, &job.app, &session.openid, &session.key),
        code_hash: context.vault.hash(HashOf::LoginCode, app, code),
        exchanged_at: session.exchanged_at,
        purge_at: session.exchanged_at + context.session_retention,
    }
}

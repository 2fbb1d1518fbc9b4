//! From an outcome to what the store commits. Pure but for the nonces of sealing.

use quhao_common::{
    answer::Answer,
    outcome::{Opened, Outcome},
    phone::LoginCode,
    session_handle::HandleKey,
    store::{Ending, Finished, NewSession},
    vault::HashOf,
};
use time::OffsetDateTime;

use crate::{
    context::{Context, Taken},
    pipeline::Done,
    platform::Session,
    session,
};

/// The row of `job`, sealed.
pub fn finished(context: &Context, taken: &Taken, done: Done, now: OffsetDateTime) -> Finished {
    let (job, vault) = (&taken.job, &taken.registry.vault);
    let app = job.app.as_str();
    let ending = match &done.outcome {
        Outcome::Succeeded(_) => Ending::Succeeded,
        Outcome::Failed(failure) => Ending::Failed(failure.code),
    };
    let phone_hash = match &done.outcome {
        Outcome::Succeeded(success) => match &success.opened {
            Opened::Phone(phone) => Some(vault.hash(HashOf::Phone, app, phone.e164.as_bytes())),
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
        answer: Answer::new(job, done.outcome).seal(vault, key, &job.app),
        guest_hash: done
            .openid
            .as_ref()
            .map(|openid| vault.hash(HashOf::Guest, app, openid.as_bytes())),
        openid: done.openid,
        phone_hash,
        callback: job.callback_url.is_some(),
        session: done
            .session
            .zip(job.work.login_code())
            .map(|(session, code)| new_session(context, taken, &session, code)),
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
        key: session::seal(vault, &job.client, &job.app, &session.openid, &session.key),
        key_hash: session::fingerprint(&job.client, &job.app, &session.openid, &session.key),
        code_hash: vault.hash(HashOf::LoginCode, job.app.as_str(), code.expose().as_bytes()),
        exchanged_at: session.exchanged_at,
        purge_at: session.exchanged_at + context.session_retention,
    }
}

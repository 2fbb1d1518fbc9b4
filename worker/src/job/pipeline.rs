//! What is done for one job: exchange, decrypt, redeem, and nothing else.

use quhao_backend::store::StoredSession;
use quhao_common::{
    crypto::vault::HashOf,
    domain::{
        failure::{Failure, FailureCode},
        job::Work,
        outcome::{Opened, Outcome, Success},
        phone::{LoginCode, PhoneCode, SessionKey},
        session_handle::HandleKey,
    },
};
use time::OffsetDateTime;
use tracing::warn;

use crate::{
    context::Context,
    job::{
        call::{LoginSession, exchange, redeem},
        received::ReceivedJob,
        session_key,
        stop::Stop,
        stored_session,
    },
    platform::{Decrypted, Payload, Session},
    slots::Slot,
};

/// An outcome with what has to be committed beside it.
#[derive(Debug)]
pub(crate) struct Completed {
    /// The outcome.
    pub(crate) outcome: Outcome,
    /// The guest's openid, as far as it is known.
    pub(crate) openid: Option<String>,
    /// The session, if this job exchanged the code.
    pub(crate) session: Option<Session>,
}

impl Completed {
    /// Creates the end with `failure` of a job of whose guest nothing is known.
    pub(crate) fn failed(failure: Failure) -> Self {
        Self { outcome: Outcome::Failed(failure), openid: None, session: None }
    }
}

/// Runs `received` in `slot`. What few jobs need is boxed, so that the others are not moved
/// about with room for it.
pub(crate) async fn run(
    context: &Context,
    received: &ReceivedJob,
    slot: &mut Slot,
) -> Result<Completed, Stop> {
    match &received.job.work {
        Work::Login { code } => login(context, received, code, None, slot).await,
        Work::LoginAndDecrypt { code, encrypted, expect } => {
            let payload = Payload { encrypted, expect: *expect };
            login(context, received, code, Some(payload), slot).await
        }
        Work::StoredSession { handle, encrypted, expect } => {
            let payload = Payload { encrypted, expect: *expect };
            Box::pin(with_stored_session(context, received, *handle, payload, slot)).await
        }
        Work::PhoneCode { code, openid } => {
            Box::pin(with_phone_code(context, received, code, openid.as_deref(), slot)).await
        }
    }
}

/// Exchanges `code`, then opens `payload` if there is one.
async fn login(
    context: &Context,
    received: &ReceivedJob,
    code: &LoginCode,
    payload: Option<Payload<'_>>,
    slot: &mut Slot,
) -> Result<Completed, Stop> {
    let session = exchange(context, received, code, slot).await?;
    let decrypted = match payload {
        None => Ok(Decrypted { opened: Opened::Nothing, watermark_at: None }),
        Some(payload) => open(context, received, slot, &session, payload).await,
    };
    Ok(completed(session, decrypted))
}

/// Opens `payload` with a session from an earlier login. Calls nobody.
async fn with_stored_session(
    context: &Context,
    received: &ReceivedJob,
    handle: HandleKey,
    payload: Payload<'_>,
    slot: &mut Slot,
) -> Result<Completed, Stop> {
    let stored = stored_session::of_handle(context, received, handle, slot).await?;
    let Some(session) = stored else {
        return Err(Stop::Fail(FailureCode::SessionUnknown.into()));
    };
    let session = LoginSession::Stored(session);
    let decrypted = open(context, received, slot, &session, payload).await;
    Ok(completed(session, decrypted))
}

/// Redeems `code` for the guest's number.
async fn with_phone_code(
    context: &Context,
    received: &ReceivedJob,
    code: &PhoneCode,
    openid: Option<&str>,
    slot: &mut Slot,
) -> Result<Completed, Stop> {
    let redeemed = redeem(context, received, code, openid, slot).await?;
    // The platform does not say who tapped; but it has checked the guest whom the caller named.
    let openid = openid.map(str::to_owned);
    let outcome = Outcome::Succeeded(Success {
        openid: openid.clone(),
        unionid: None,
        opened: Opened::Phone(redeemed.phone),
        watermark_at: redeemed.watermark_at,
    });
    Ok(Completed { outcome, openid, session: None })
}

/// Opens `payload` with the fresh key, then with the stored ones: `wx.login` inside the
/// button's callback gives a new key for a payload that was encrypted under the old one.
async fn open(
    context: &Context,
    received: &ReceivedJob,
    slot: &mut Slot,
    session: &LoginSession,
    payload: Payload<'_>,
) -> Result<Decrypted, FailureCode> {
    let keys = match session {
        LoginSession::Stored(session) => stored_keys(received, session),
        LoginSession::Fresh(session) => {
            let result = decrypt(received, &session.key, payload);
            if !matches!(result, Err(FailureCode::DecryptFailed)) {
                return result;
            }
            let looking = stored_session::of_guest(context, received, &session.openid, slot);
            match Box::pin(looking).await {
                Some(stored) => stored_keys(received, &stored),
                None => Vec::new(),
            }
        }
    };
    for key in &keys {
        let result = decrypt(received, key, payload);
        if !matches!(result, Err(FailureCode::DecryptFailed)) {
            return result;
        }
    }
    Err(FailureCode::DecryptFailed)
}

fn decrypt(
    received: &ReceivedJob,
    key: &SessionKey,
    payload: Payload<'_>,
) -> Result<Decrypted, FailureCode> {
    let now = OffsetDateTime::now_utc();
    received.platform.decrypt(&received.app, key, payload, now)
}

/// Returns the keys of a stored session that can be opened: the one of this job's code first,
/// then the current one.
fn stored_keys(received: &ReceivedJob, session: &StoredSession) -> Vec<SessionKey> {
    let job = &received.job;
    let vault = &received.registry.vault;
    let code_hashes = match job.work.login_code() {
        Some(code) => vault.hashes(HashOf::LoginCode, job.app.as_str(), code.expose().as_bytes()),
        None => Vec::new(),
    };
    let mut sealed: Vec<_> = session.keys.iter().collect();
    sealed.sort_by_key(|key| !code_hashes.contains(&key.code_hash));
    let mut keys = Vec::with_capacity(sealed.len());
    for key in sealed {
        match session_key::open(vault, &job.client, &job.app, &session.openid, key) {
            Ok(key) => keys.push(key),
            Err(error) => warn!(id = %job.id, %error, "a stored session key cannot be opened"),
        }
    }
    keys
}

fn completed(session: LoginSession, decrypted: Result<Decrypted, FailureCode>) -> Completed {
    let (openid, unionid, fresh) = match session {
        LoginSession::Fresh(session) => {
            (session.openid.clone(), session.unionid.clone(), Some(session))
        }
        LoginSession::Stored(session) => (session.openid, session.unionid, None),
    };
    let outcome = match decrypted {
        Ok(Decrypted { opened, watermark_at }) => Outcome::Succeeded(Success {
            openid: Some(openid.clone()),
            unionid,
            opened,
            watermark_at,
        }),
        Err(code) => Outcome::Failed(Failure::from(code)),
    };
    Completed { outcome, openid: Some(openid), session: fresh }
}

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
    context::{Context, Taken},
    job::{
        duplicate::{self, Looked},
        exchange::{Exchanged, exchange},
        redeem::{Redemption, redeem},
        session_key,
    },
    platform::{Decrypted, Payload, Session},
    slots::Slot,
};

/// What became of a job.
#[derive(Debug)]
pub enum Worked {
    /// It has an outcome, to be committed.
    Done(Box<Done>),
    /// A sibling has answered it.
    Answered,
    /// Its deadline passed before the first call.
    TooLate,
    /// The worker is draining or cannot reach the store; another should have the job.
    HandBack,
}

impl Worked {
    /// It ended with `failure`, and nothing is known of the guest.
    pub fn failed(failure: Failure) -> Self {
        let outcome = Outcome::Failed(failure);
        Self::Done(Box::new(Done { outcome, openid: None, session: None }))
    }
}

/// An outcome with what has to be committed beside it.
#[derive(Debug)]
pub struct Done {
    /// The outcome.
    pub outcome: Outcome,
    /// Who the guest is, as far as it is known.
    pub openid: Option<String>,
    /// The session, if the exchange was ours.
    pub session: Option<Session>,
}

/// Works on `taken` in `slot`. What few jobs need is boxed, so that the others are not moved
/// about with room for it.
pub async fn work(context: &Context, taken: &Taken, slot: &mut Slot) -> Worked {
    match &taken.job.work {
        Work::Login { code } => login(context, taken, code, None, slot).await,
        Work::LoginAndDecrypt { code, encrypted, expect } => {
            let payload = Payload { encrypted, expect: *expect };
            login(context, taken, code, Some(payload), slot).await
        }
        Work::StoredSession { handle, encrypted, expect } => {
            let payload = Payload { encrypted, expect: *expect };
            Box::pin(with_session(context, taken, *handle, payload, slot)).await
        }
        Work::PhoneCode { code, openid } => {
            Box::pin(with_phone_code(context, taken, code, openid.as_deref(), slot)).await
        }
    }
}

/// Exchanges `code`, then opens `payload` if there is one.
async fn login(
    context: &Context,
    taken: &Taken,
    code: &LoginCode,
    payload: Option<Payload<'_>>,
    slot: &mut Slot,
) -> Worked {
    let guest = match exchange(context, taken, code, slot).await {
        Exchanged::Fresh(session) => Guest::Fresh(session),
        Exchanged::Stored(session) => Guest::Stored(session),
        Exchanged::Answered => return Worked::Answered,
        Exchanged::TooLate => return Worked::TooLate,
        Exchanged::HandBack => return Worked::HandBack,
        Exchanged::Failed(failure) => return Worked::failed(failure),
    };
    let decrypted = match payload {
        None => Ok(Decrypted { opened: Opened::Nothing, watermark_at: None }),
        Some(payload) => open(context, taken, slot, &guest, payload).await,
    };
    Worked::Done(Box::new(done(guest, decrypted)))
}

/// Opens `payload` with a session from an earlier login. Calls nobody.
async fn with_session(
    context: &Context,
    taken: &Taken,
    handle: HandleKey,
    payload: Payload<'_>,
    slot: &mut Slot,
) -> Worked {
    match duplicate::session_of_handle(context, taken, handle, slot).await {
        Looked::Found(session) => {
            let guest = Guest::Stored(session);
            let decrypted = open(context, taken, slot, &guest, payload).await;
            Worked::Done(Box::new(done(guest, decrypted)))
        }
        Looked::None => Worked::failed(FailureCode::SessionUnknown.into()),
        Looked::TooLate => Worked::TooLate,
        Looked::Elsewhere | Looked::Draining => Worked::HandBack,
    }
}

/// Has the platform tell the number.
async fn with_phone_code(
    context: &Context,
    taken: &Taken,
    code: &PhoneCode,
    openid: Option<&str>,
    slot: &mut Slot,
) -> Worked {
    let redeemed = match redeem(context, taken, code, openid, slot).await {
        Redemption::Fresh(redeemed) => redeemed,
        Redemption::Answered => return Worked::Answered,
        Redemption::TooLate => return Worked::TooLate,
        Redemption::HandBack => return Worked::HandBack,
        Redemption::Failed(failure) => return Worked::failed(failure),
    };
    // Who taps is not told; but the platform has checked whom the caller named.
    let openid = openid.map(str::to_owned);
    let outcome = Outcome::Succeeded(Success {
        openid: openid.clone(),
        unionid: None,
        opened: Opened::Phone(redeemed.phone),
        watermark_at: redeemed.watermark_at,
    });
    Worked::Done(Box::new(Done { outcome, openid, session: None }))
}

/// Whose payload it is, and where the session came from.
enum Guest {
    Fresh(Session),
    Stored(StoredSession),
}

impl Guest {
    fn openid(&self) -> &str {
        match self {
            Self::Fresh(session) => &session.openid,
            Self::Stored(session) => &session.openid,
        }
    }
}

/// Tries the fresh key, then the stored ones: `wx.login` inside the button's callback
/// gives a new key for a payload that was encrypted under the old one.
async fn open(
    context: &Context,
    taken: &Taken,
    slot: &mut Slot,
    guest: &Guest,
    payload: Payload<'_>,
) -> Result<Decrypted, FailureCode> {
    let stored = match guest {
        Guest::Stored(session) => keys(taken, session),
        Guest::Fresh(session) => {
            let result = decrypt(taken, &session.key, payload);
            if !matches!(result, Err(FailureCode::DecryptFailed)) {
                return result;
            }
            let stored = duplicate::stored_session(context, taken, slot, &session.openid);
            Box::pin(stored).await.map(|stored| keys(taken, &stored)).unwrap_or_default()
        }
    };
    let opened = stored
        .iter()
        .map(|key| decrypt(taken, key, payload))
        .find(|result| !matches!(result, Err(FailureCode::DecryptFailed)));
    opened.unwrap_or(Err(FailureCode::DecryptFailed))
}

fn decrypt(
    taken: &Taken,
    key: &SessionKey,
    payload: Payload<'_>,
) -> Result<Decrypted, FailureCode> {
    let now = OffsetDateTime::now_utc();
    taken.platform.decrypt(&taken.app, key, payload, now)
}

/// The keys of a stored session that can be opened, the one of this job's code first, then
/// the current one.
fn keys(taken: &Taken, session: &StoredSession) -> Vec<SessionKey> {
    let job = &taken.job;
    let vault = &taken.registry.vault;
    let hashes = job
        .work
        .login_code()
        .map(|code| vault.hashes(HashOf::LoginCode, job.app.as_str(), code.expose().as_bytes()));
    let hashes = hashes.unwrap_or_default();
    let mut stored: Vec<_> = session.keys.iter().collect();
    stored.sort_by_key(|key| !hashes.contains(&key.code_hash));
    stored
        .into_iter()
        .filter_map(|key| {
            session_key::open(vault, &job.client, &job.app, &session.openid, key)
                .inspect_err(|error| warn!(id = %job.id, %error, "a stored session is unreadable"))
                .ok()
        })
        .collect()
}

fn done(guest: Guest, decrypted: Result<Decrypted, FailureCode>) -> Done {
    let openid = guest.openid().to_owned();
    let (unionid, session) = match guest {
        Guest::Fresh(session) => (session.unionid.clone(), Some(session)),
        Guest::Stored(session) => (session.unionid, None),
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
    Done { outcome, openid: Some(openid), session }
}

//! What is done for one job: exchange, decrypt, and nothing else.

use quhao_common::{
    failure::{Failure, FailureCode},
    job::Work,
    outcome::{Opened, Outcome, Success},
    phone::SessionKey,
    store::StoredSession,
    vault::HashOf,
};
use time::OffsetDateTime;
use tracing::warn;

use crate::{
    context::{Context, Taken},
    exchange::{Exchanged, exchange},
    platform::{Decrypted, Payload, Session},
    session, sibling,
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
    /// The worker is draining; another should have the job.
    HandBack,
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

/// Works on `taken` in `slot`.
pub async fn work(context: &Context, taken: &Taken, slot: &mut Slot) -> Worked {
    let guest = match exchange(context, taken, slot).await {
        Exchanged::Fresh(session) => Guest::Fresh(session),
        Exchanged::Stored(session) => Guest::Stored(session),
        Exchanged::Answered => return Worked::Answered,
        Exchanged::TooLate => return Worked::TooLate,
        Exchanged::HandBack => return Worked::HandBack,
        Exchanged::Failed(failure) => {
            return Worked::Done(Box::new(Done {
                outcome: Outcome::Failed(failure),
                openid: None,
                session: None,
            }));
        }
    };
    let decrypted = match &taken.job.work {
        Work::Login { .. } => Ok(Decrypted { opened: Opened::Nothing, watermark_at: None }),
        Work::LoginAndDecrypt { encrypted, expect, .. } => {
            let payload = Payload { encrypted, expect: *expect };
            open(context, taken, slot, &guest, payload).await
        }
    };
    Worked::Done(Box::new(done(guest, decrypted)))
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
        Guest::Stored(session) => keys(context, taken, session),
        Guest::Fresh(session) => {
            let result = decrypt(taken, &session.key, payload);
            if !matches!(result, Err(FailureCode::DecryptFailed)) {
                return result;
            }
            let stored = sibling::stored_session(context, taken, slot, &session.openid).await;
            stored.map(|stored| keys(context, taken, &stored)).unwrap_or_default()
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

/// The keys of a stored session that can be opened, the one of this job's code first.
fn keys(context: &Context, taken: &Taken, session: &StoredSession) -> Vec<SessionKey> {
    let job = &taken.job;
    let code = job.work.code().expose().as_bytes();
    let hashes = context.vault.hashes(HashOf::LoginCode, job.app.as_str(), code);
    let mut stored: Vec<_> = session.keys.iter().collect();
    stored.sort_by_key(|key| !hashes.contains(&key.code_hash));
    stored
        .into_iter()
        .filter_map(|key| {
            session::open(&context.vault, &job.client, &job.app, &session.openid, key)
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

//! The envelope of an outcome that its worker could not commit and handed over to another,
//! versioned and sealed as a whole.
//!
//! Version (1 byte), then the sealed rest. The version has its highest bit set, which that of
//! a job ([`crate::envelope::job`]) never has: the queue of dead letters may hold both.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    crypto::vault::{AssociatedData, KeyedHash, Sealed, Vault},
    domain::{
        app::AppId,
        client::ClientName,
        failure::FailureCode,
        finished::{FinalState, Finished, NewSession},
        id::JobId,
        session_handle::HandleKey,
    },
    envelope::{
        base64_text,
        error::EnvelopeError,
        unix_ms::{from_unix_ms, unix_ms},
    },
};

/// The bit that every version of an outcome has.
const OUTCOME: u8 = 0x80;
const VERSION: u8 = OUTCOME | 1;
/// The name of the queue of outcomes in associated data.
const TABLE: &str = "resume";

/// The sealed text. A field may be added if it is optional and a build that skips it does
/// no harm; anything else is a new version. How long the job had waited is left out: it is
/// outdated by then.
#[derive(Serialize, Deserialize)]
struct Text {
    id: Bytes,
    client: ClientName,
    app: AppId,
    /// The code of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
    created_ms: i64,
    expires_ms: i64,
    finished_ms: i64,
    purge_ms: i64,
    answer: Bytes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    openid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guest_hash: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone_hash: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    callback_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<SessionText>,
}

/// The session that the exchange gave.
#[derive(Serialize, Deserialize)]
struct SessionText {
    openid: String,
    handle: HandleKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unionid: Option<String>,
    key: Bytes,
    key_hash: Bytes,
    code_hash: Bytes,
    exchanged_ms: i64,
    purge_ms: i64,
}

/// Bytes as base64 text.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Bytes(#[serde(with = "base64_text")] Vec<u8>);

impl Bytes {
    fn of(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    fn hash(self) -> Result<KeyedHash, EnvelopeError> {
        self.0.try_into().map_err(|_| EnvelopeError::Damaged)
    }
}

/// Returns whether `body` claims to be an outcome, of whatever version.
pub fn is_outcome(body: &[u8]) -> bool {
    body.first().is_some_and(|version| version & OUTCOME != 0)
}

/// Packs and seals the outcome of the job `id`.
pub fn seal(vault: &Vault, id: &JobId, finished: &Finished) -> Vec<u8> {
    let mut body = vec![VERSION];
    let sealed = vault.seal_json(associated_data(&[VERSION]), &text(id, finished));
    body.extend_from_slice(sealed.as_bytes());
    body
}

/// Opens a body that [`seal`] made.
pub fn open(vault: &Vault, body: &[u8]) -> Result<(JobId, Finished), EnvelopeError> {
    let (version, sealed) = match body.split_first() {
        Some((&VERSION, sealed)) => ([VERSION], sealed),
        Some((&version, _)) if is_outcome(body) => return Err(EnvelopeError::Version(version)),
        _ => return Err(EnvelopeError::Damaged),
    };
    let text = vault.open(associated_data(&version), sealed)?;
    let text: Text = serde_json::from_slice(&text).map_err(|_| EnvelopeError::Damaged)?;
    outcome(text)
}

fn associated_data(version: &[u8]) -> AssociatedData<'_> {
    // The app stands inside: nothing of an outcome is in the clear.
    AssociatedData { table: TABLE, key: version, app: "" }
}

fn text(id: &JobId, finished: &Finished) -> Text {
    Text {
        id: Bytes::of(&id.bytes()),
        client: finished.client.clone(),
        app: finished.app.clone(),
        failed: match finished.final_state {
            FinalState::Failed(code) => Some(code.as_str().to_owned()),
            FinalState::Succeeded => None,
        },
        created_ms: unix_ms(finished.created_at),
        expires_ms: unix_ms(finished.expires_at),
        finished_ms: unix_ms(finished.finished_at),
        purge_ms: unix_ms(finished.purge_at),
        answer: Bytes::of(finished.answer.as_bytes()),
        openid: finished.openid.clone(),
        guest_hash: finished.guest_hash.as_ref().map(|hash| Bytes::of(hash)),
        phone_hash: finished.phone_hash.as_ref().map(|hash| Bytes::of(hash)),
        callback_ms: finished.callback.map(unix_ms),
        session: finished.session.as_ref().map(|session| SessionText {
            openid: session.openid.clone(),
            handle: session.handle,
            unionid: session.unionid.clone(),
            key: Bytes::of(session.key.as_bytes()),
            key_hash: Bytes::of(&session.key_hash),
            code_hash: Bytes::of(&session.code_hash),
            exchanged_ms: unix_ms(session.exchanged_at),
            purge_ms: unix_ms(session.purge_at),
        }),
    }
}

fn outcome(text: Text) -> Result<(JobId, Finished), EnvelopeError> {
    let id = text.id.0.try_into().map_err(|_| EnvelopeError::Damaged)?;
    let id = JobId::from_bytes(id);
    let failed =
        text.failed.map(|name| FailureCode::from_name(&name).ok_or(EnvelopeError::UnknownFailure));
    let finished = Finished {
        key: id.key(),
        client: text.client,
        app: text.app,
        final_state: failed.transpose()?.map_or(FinalState::Succeeded, FinalState::Failed),
        created_at: time(text.created_ms)?,
        expires_at: time(text.expires_ms)?,
        taken_at: None,
        finished_at: time(text.finished_ms)?,
        purge_at: time(text.purge_ms)?,
        answer: Sealed::from_bytes(text.answer.0),
        openid: text.openid,
        guest_hash: text.guest_hash.map(Bytes::hash).transpose()?,
        phone_hash: text.phone_hash.map(Bytes::hash).transpose()?,
        callback: text.callback_ms.map(time).transpose()?,
        session: text.session.map(session).transpose()?,
    };
    Ok((id, finished))
}

fn session(text: SessionText) -> Result<NewSession, EnvelopeError> {
    Ok(NewSession {
        openid: text.openid,
        handle: text.handle,
        unionid: text.unionid,
        key: Sealed::from_bytes(text.key.0),
        key_hash: text.key_hash.hash()?,
        code_hash: text.code_hash.hash()?,
        exchanged_at: time(text.exchanged_ms)?,
        purge_at: time(text.purge_ms)?,
    })
}

fn time(ms: i64) -> Result<OffsetDateTime, EnvelopeError> {
    from_unix_ms(ms).ok_or(EnvelopeError::Damaged)
}

#[cfg(test)]
mod tests;

//! What travels on the queue: a job, versioned and sealed.
//!
//! Version (1 byte), id without its tag (17), length of the appid (1), appid, then the
//! sealed job. What is in front is also the sealing's associated data, so that a body
//! cannot be passed off as another job's.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::{
    app::{AppId, ClientName, NameError},
    callback::CallbackUrl,
    id::{ID_BYTES, JobId},
    job::{Expect, Job, Metadata, Work},
    phone::{Encrypted, LoginCode, PhoneCode},
    session_handle::HandleKey,
    vault::{Place, Vault, VaultError},
};

pub mod bundle;

/// 2 added what is not a login, and callbacks: a build that knows only 1 must not touch
/// them.
const VERSION: u8 = 2;
/// Still read: what was queued before an upgrade.
const VERSION_OLDEST: u8 = 1;
/// Version, key number, key.
const FIXED_BYTES: usize = 1 + 17;

/// Why a body is not a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Made by a newer quhao: this worker must not touch it.
    #[error("envelope version {0} is unknown to this build")]
    Version(u8),
    /// Sealed with a key that this worker does not have.
    #[error("sealed with key k{0}, which [secrets] seal does not list")]
    UnknownKey(u8),
    /// Not something that a producer made.
    #[error("the envelope is damaged")]
    Damaged,
}

impl EnvelopeError {
    /// Whether another worker, or this one after a change of its configuration, could
    /// read the body. If not, nobody ever will.
    pub fn is_ours_to_mend(self) -> bool {
        !matches!(self, Self::Damaged)
    }
}

impl From<VaultError> for EnvelopeError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::UnknownKey(number) => Self::UnknownKey(number),
            VaultError::Damaged => Self::Damaged,
        }
    }
}

/// The sealed text. A field may be added if it is optional and a build that skips it does
/// no harm; anything else is a new version. Version 1 has no field that 2 lacks.
#[derive(Serialize, Deserialize)]
struct Text {
    #[serde(with = "b64")]
    id: Vec<u8>,
    client: ClientName,
    created_ms: i64,
    expires_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<LoginCode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<HandleKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone_code: Option<PhoneCode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    openid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encrypted: Option<EncryptedText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    callback_url: Option<CallbackUrl>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct EncryptedText {
    #[serde(with = "b64")]
    data: Vec<u8>,
    #[serde(with = "b64")]
    iv: Vec<u8>,
    expect: Expect,
}

/// Packs and seals `job`.
pub fn seal(vault: &Vault, job: &Job) -> Vec<u8> {
    let app = job.app.as_str();
    let mut body = Vec::with_capacity(1024);
    body.push(VERSION);
    body.extend_from_slice(&job.id.bytes()[..FIXED_BYTES - 1]);
    #[expect(clippy::cast_possible_truncation, reason = "an appid has at most 64 bytes")]
    body.push(app.len() as u8);
    body.extend_from_slice(app.as_bytes());

    let text = text(job);
    #[expect(clippy::expect_used, reason = "a struct of strings and numbers has no way to fail")]
    let text = Zeroizing::new(serde_json::to_vec(&text).expect("serialisable"));
    let sealed = vault.seal(Place { table: "queue", key: &body, app }, &text);
    body.extend_from_slice(sealed.as_bytes());
    body
}

/// Opens a body that [`seal`] made.
pub fn open(vault: &Vault, body: &[u8]) -> Result<Job, EnvelopeError> {
    match body.first() {
        Some(VERSION_OLDEST..=VERSION) => {}
        // One that is whole was taken apart on its way here.
        _ if bundle::is_bundle(body) => return Err(EnvelopeError::Damaged),
        Some(&version) => return Err(EnvelopeError::Version(version)),
        None => return Err(EnvelopeError::Damaged),
    }
    let app_bytes = usize::from(*body.get(FIXED_BYTES).ok_or(EnvelopeError::Damaged)?);
    let (head, sealed) =
        body.split_at_checked(FIXED_BYTES + 1 + app_bytes).ok_or(EnvelopeError::Damaged)?;
    let app = std::str::from_utf8(&head[FIXED_BYTES + 1..]).map_err(|_| EnvelopeError::Damaged)?;
    let text = vault.open(Place { table: "queue", key: head, app }, sealed)?;
    let text: Text = serde_json::from_slice(&text).map_err(|_| EnvelopeError::Damaged)?;
    job(text, app).ok_or(EnvelopeError::Damaged)
}

/// Whose job a body claims to be, without a tag: for a log line about one that does not
/// open. `None` if it does not even claim anything.
pub fn claimed_id(body: &[u8]) -> Option<JobId> {
    let known = body.first().is_some_and(|version| (VERSION_OLDEST..=VERSION).contains(version));
    let mut id = [0; ID_BYTES];
    id[..FIXED_BYTES - 1].copy_from_slice(body.get(1..FIXED_BYTES).filter(|_| known)?);
    Some(JobId::from_bytes(id))
}

fn text(job: &Job) -> Text {
    let mut text = Text {
        id: job.id.bytes().to_vec(),
        client: job.client.clone(),
        created_ms: unix_ms(job.created_at),
        expires_ms: unix_ms(job.expires_at),
        code: None,
        session: None,
        phone_code: None,
        openid: None,
        encrypted: None,
        callback_url: job.callback_url.clone(),
        metadata: job.metadata.as_ref().map(|metadata| metadata.json().to_owned()),
        traceparent: job.traceparent.clone(),
    };
    let packed = |encrypted: &Encrypted, expect: &Expect| EncryptedText {
        data: encrypted.data().to_vec(),
        iv: encrypted.iv().to_vec(),
        expect: *expect,
    };
    match &job.work {
        Work::Login { code } => text.code = Some(code.clone()),
        Work::LoginAndDecrypt { code, encrypted, expect } => {
            text.code = Some(code.clone());
            text.encrypted = Some(packed(encrypted, expect));
        }
        Work::StoredSession { handle, encrypted, expect } => {
            text.session = Some(*handle);
            text.encrypted = Some(packed(encrypted, expect));
        }
        Work::PhoneCode { code, openid } => {
            text.phone_code = Some(code.clone());
            text.openid.clone_from(openid);
        }
    }
    text
}

fn work(text: &mut Text) -> Option<Work> {
    let encrypted = match text.encrypted.take() {
        None => None,
        Some(EncryptedText { data, iv, expect }) => {
            Some((Encrypted::new(data, iv.try_into().ok()?).ok()?, expect))
        }
    };
    Some(match (text.code.take(), text.session, text.phone_code.take(), encrypted) {
        (Some(code), None, None, None) => Work::Login { code },
        (Some(code), None, None, Some((encrypted, expect))) => {
            Work::LoginAndDecrypt { code, encrypted, expect }
        }
        (None, Some(handle), None, Some((encrypted, expect))) => {
            Work::StoredSession { handle, encrypted, expect }
        }
        (None, None, Some(code), None) => Work::PhoneCode { code, openid: text.openid.take() },
        _ => return None,
    })
}

fn job(mut text: Text, app: &str) -> Option<Job> {
    let work = work(&mut text)?;
    Some(Job {
        id: JobId::from_bytes(text.id.try_into().ok()?),
        client: text.client,
        app: AppId::new(app).map_err(|NameError| ()).ok()?,
        created_at: from_unix_ms(text.created_ms)?,
        expires_at: from_unix_ms(text.expires_ms)?,
        work,
        metadata: text.metadata.map(Metadata::new),
        callback_url: text.callback_url,
        traceparent: text.traceparent,
    })
}

/// Milliseconds since 1970, which is the precision of every time that quhao keeps.
pub fn unix_ms(at: OffsetDateTime) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "holds for 292 million years")]
    let ms = (at.unix_timestamp_nanos() / 1_000_000) as i64;
    ms
}

/// The inverse of [`unix_ms`]; `None` outside the calendar.
pub fn from_unix_ms(ms: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok()
}

/// Bytes as base64 text inside JSON.
pub(crate) mod b64 {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(de: D) -> Result<Vec<u8>, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(de)?;
        STANDARD_NO_PAD.decode(text.as_bytes()).map_err(|_| D::Error::custom("not base64"))
    }
}

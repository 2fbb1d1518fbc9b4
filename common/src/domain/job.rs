//! A job: one request to turn what a mini-program has of a guest into a result.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::domain::{
    app::{AppId, ClientName},
    callback_target::CallbackUrl,
    id::{IdKeys, JobId},
    phone::{Encrypted, LoginCode, PhoneCode},
    session_handle::HandleKey,
};

/// What the caller wants out of the ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// A phone number; anything else is refused.
    #[default]
    Phone,
    /// Whatever object was encrypted.
    OpenData,
}

/// What a job consists of, as far as a caller's next step depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A login code and nothing else.
    LoginAlone,
    /// With a ciphertext that has to be decrypted.
    WithCiphertext,
    /// The code of the phone button.
    PhoneCode,
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Exchange a login code.
    Login {
        /// The code.
        code: LoginCode,
    },
    /// Exchange a login code and decrypt with the session key that it gives.
    LoginAndDecrypt {
        /// The code.
        code: LoginCode,
        /// The ciphertext.
        encrypted: Encrypted,
        /// What it should hold.
        expect: Expect,
    },
    /// Decrypt with the stored session of a guest who logged in before.
    StoredSession {
        /// The guest's session.
        handle: HandleKey,
        /// The ciphertext.
        encrypted: Encrypted,
        /// What it should hold.
        expect: Expect,
    },
    /// Have the platform tell the number that the phone button's code stands for.
    PhoneCode {
        /// The code.
        code: PhoneCode,
        /// The guest, as far as the caller knows: the platform then checks that both belong
        /// together.
        openid: Option<String>,
    },
}

impl Work {
    /// Its shape.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Login { .. } => Shape::LoginAlone,
            Self::LoginAndDecrypt { .. } | Self::StoredSession { .. } => Shape::WithCiphertext,
            Self::PhoneCode { .. } => Shape::PhoneCode,
        }
    }

    /// The login code, if it has one.
    pub fn login_code(&self) -> Option<&LoginCode> {
        match self {
            Self::Login { code } | Self::LoginAndDecrypt { code, .. } => Some(code),
            Self::StoredSession { .. } | Self::PhoneCode { .. } => None,
        }
    }
}

/// The caller's own JSON object, kept and given back to the letter.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(Box<RawValue>);

/// Largest metadata, in bytes of its JSON text.
pub const METADATA_BYTES_MAX: usize = 2048;

impl Metadata {
    /// Wraps a JSON object's text, which the HTTP edge has checked.
    pub fn new(json: Box<RawValue>) -> Self {
        Self(json)
    }

    /// The JSON text.
    pub fn json(&self) -> &RawValue {
        &self.0
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl fmt::Debug for Metadata {
    // Callers put orders and tables in here: theirs, and not for our logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metadata(redacted)")
    }
}

/// The part of a submission that makes the job's id: everything but the deadline.
#[derive(Debug)]
pub struct IdInput<'a> {
    /// What there is to do.
    pub work: &'a Work,
    /// The caller's metadata. Counts byte for byte.
    pub metadata: Option<&'a Metadata>,
    /// Where to send word of the result.
    pub callback_url: Option<&'a CallbackUrl>,
    /// The `Idempotency-Key`, if any.
    pub idempotency_key: Option<&'a str>,
}

impl IdInput<'_> {
    /// Returns the job's id: the same for the same submission, on every producer.
    pub fn id(&self, keys: &IdKeys, client: &ClientName, app: &AppId) -> JobId {
        keys.derive(client, app, &self.canonical())
    }

    /// Every field as label, length, bytes; a field that is not there is left out. The
    /// bytes are those after repair, so that a damaged copy is the same submission.
    fn canonical(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(1024));
        let mut field = |label: u8, bytes: &[u8]| {
            out.push(label);
            out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            out.extend_from_slice(bytes);
        };
        match self.work {
            Work::Login { code } | Work::LoginAndDecrypt { code, .. } => {
                field(b'c', code.expose().as_bytes());
            }
            // Without number and tag: the handle of a guest is the same after a rotation.
            Work::StoredSession { handle, .. } => field(b's', handle.as_bytes()),
            Work::PhoneCode { code, openid } => {
                field(b'p', code.expose().as_bytes());
                if let Some(openid) = openid {
                    field(b'o', openid.as_bytes());
                }
            }
        }
        if let Work::LoginAndDecrypt { encrypted, expect, .. }
        | Work::StoredSession { encrypted, expect, .. } = self.work
        {
            field(b'd', encrypted.data());
            field(b'v', encrypted.iv());
            field(b'e', &[u8::from(*expect == Expect::OpenData)]);
        }
        if let Some(metadata) = self.metadata {
            field(b'm', metadata.json().get().as_bytes());
        }
        if let Some(url) = self.callback_url {
            field(b'u', url.as_str().as_bytes());
        }
        if let Some(key) = self.idempotency_key {
            field(b'k', key.as_bytes());
        }
        out
    }
}

/// Least and most seconds that a caller may give a job. WeChat's codes live 300; ten are
/// left for the way to the platform.
pub const DEADLINE_SECONDS: std::ops::RangeInclusive<u64> = 1..=290;
/// Seconds when the caller says nothing.
pub const DEADLINE_SECONDS_DEFAULT: u64 = 240;

/// One accepted request.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Who submitted it.
    pub client: ClientName,
    /// For which mini-program.
    pub app: AppId,
    /// When the producer accepted it.
    pub created_at: OffsetDateTime,
    /// Its deadline: after this the platform must not be called for it.
    pub expires_at: OffsetDateTime,
    /// What there is to do.
    pub work: Work,
    /// Given back with the result.
    pub metadata: Option<Metadata>,
    /// Where to send word of the result.
    pub callback_url: Option<CallbackUrl>,
    /// W3C trace context of the submission, if the caller gave one.
    pub traceparent: Option<String>,
}

impl Job {
    /// How long the job is still worth anything; zero when it is too late.
    pub fn remaining(&self, now: OffsetDateTime) -> Duration {
        (self.expires_at - now).try_into().unwrap_or(Duration::ZERO)
    }
}

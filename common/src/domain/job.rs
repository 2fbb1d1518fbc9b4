//! A job: one request to turn what a mini-program has of a guest into a result.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::domain::{
    app::AppId,
    callback_target::CallbackUrl,
    client::ClientName,
    id::{IdKeys, JobId},
    phone::{Encrypted, LoginCode, PhoneCode},
    session_handle::HandleKey,
};

/// What the caller expects in the ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// A phone number; anything else is refused.
    #[default]
    Phone,
    /// Any object.
    OpenData,
}

/// What a job consists of, as far as the advice after a failure depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A login code and nothing else.
    LoginAlone,
    /// A ciphertext that has to be decrypted, with or without a login code.
    WithCiphertext,
    /// The code of the phone button.
    PhoneCode,
}

/// The work of a job.
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
    /// Ask the platform for the number that the phone button's code stands for.
    PhoneCode {
        /// The code.
        code: PhoneCode,
        /// The guest, if the caller knows: the platform then checks that code and guest
        /// belong together.
        openid: Option<String>,
    },
}

impl Work {
    /// Returns its shape.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Login { .. } => Shape::LoginAlone,
            Self::LoginAndDecrypt { .. } | Self::StoredSession { .. } => Shape::WithCiphertext,
            Self::PhoneCode { .. } => Shape::PhoneCode,
        }
    }

    /// Returns the login code, if it has one.
    pub fn login_code(&self) -> Option<&LoginCode> {
        match self {
            Self::Login { code } | Self::LoginAndDecrypt { code, .. } => Some(code),
            Self::StoredSession { .. } | Self::PhoneCode { .. } => None,
        }
    }
}

/// The caller's own JSON object, kept and given back byte for byte.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(Box<RawValue>);

/// Largest metadata, in bytes of its JSON text.
pub const METADATA_BYTES_MAX: usize = 2048;

impl Metadata {
    /// Wraps the text of a JSON object, which the HTTP side has checked.
    pub fn new(json: Box<RawValue>) -> Self {
        Self(json)
    }

    /// Returns the JSON text.
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
    // Callers put orders and tables in here, which do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metadata(redacted)")
    }
}

/// The part of a submission that the job's id is made from: everything but the deadline.
#[derive(Debug)]
pub struct IdInput<'a> {
    /// The work.
    pub work: &'a Work,
    /// The caller's metadata, compared byte for byte.
    pub metadata: Option<&'a Metadata>,
    /// Where to send the result's event.
    pub callback_url: Option<&'a CallbackUrl>,
    /// The `Idempotency-Key`, if any.
    pub idempotency_key: Option<&'a str>,
}

impl IdInput<'_> {
    /// Returns the job's id: the same for the same submission, on every producer.
    pub fn id(&self, keys: &IdKeys, client: &ClientName, app: &AppId) -> JobId {
        keys.derive(client, app, &self.canonical())
    }

    /// Returns every field as label, length, bytes; a field that is absent is left out. The
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
            // The key alone: number and tag of a handle change when the secrets rotate.
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

/// The seconds that a caller may give a job. WeChat's codes live 300; ten are left for the
/// way to the platform.
pub const DEADLINE_SECONDS: std::ops::RangeInclusive<u64> = 1..=290;
/// The seconds of a job whose caller gives none.
pub const DEADLINE_SECONDS_DEFAULT: u64 = 240;

/// An accepted submission.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The client that submitted it.
    pub client: ClientName,
    /// The mini-program that it is for.
    pub app: AppId,
    /// When the producer accepted it.
    pub created_at: OffsetDateTime,
    /// Its deadline, after which the platform must not be called for it.
    pub expires_at: OffsetDateTime,
    /// The work.
    pub work: Work,
    /// The caller's metadata, given back with the result.
    pub metadata: Option<Metadata>,
    /// Where to send the result's event.
    pub callback_url: Option<CallbackUrl>,
    /// The W3C trace context of the submission, if the caller gave one.
    pub traceparent: Option<String>,
}

impl Job {
    /// Returns the time until the deadline; zero after it.
    pub fn remaining(&self, now: OffsetDateTime) -> Duration {
        (self.expires_at - now).try_into().unwrap_or(Duration::ZERO)
    }
}

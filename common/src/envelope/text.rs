//! The JSON text inside the envelope of a job.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    base64_text,
    unix_ms::{from_unix_ms, unix_ms},
};
use crate::domain::{
    app::AppId,
    callback_target::CallbackUrl,
    client::ClientName,
    id::JobId,
    job::{Expect, Job, Metadata, Work},
    phone::{Encrypted, LoginCode, PhoneCode},
    session_handle::HandleKey,
};

/// A job without its app. A field may be added if it is optional and a build that skips it
/// does no harm; anything else is a new version. Version 1 has no field that 2 lacks.
#[derive(Serialize, Deserialize)]
pub(super) struct Text<'a> {
    #[serde(with = "base64_text")]
    id: Vec<u8>,
    client: Cow<'a, ClientName>,
    created_ms: i64,
    expires_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'a, LoginCode>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<HandleKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone_code: Option<Cow<'a, PhoneCode>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    openid: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encrypted: Option<EncryptedText<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    callback_url: Option<Cow<'a, CallbackUrl>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Cow<'a, RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
struct EncryptedText<'a> {
    #[serde(with = "base64_text")]
    data: Cow<'a, [u8]>,
    #[serde(with = "base64_text")]
    iv: Cow<'a, [u8]>,
    expect: Expect,
}

impl<'a> Text<'a> {
    /// Returns the text of `job`.
    pub(super) fn of(job: &'a Job) -> Self {
        let mut text = Self {
            id: job.id.bytes().to_vec(),
            client: Cow::Borrowed(&job.client),
            created_ms: unix_ms(job.created_at),
            expires_ms: unix_ms(job.expires_at),
            code: None,
            session: None,
            phone_code: None,
            openid: None,
            encrypted: None,
            callback_url: job.callback_url.as_ref().map(Cow::Borrowed),
            metadata: job.metadata.as_ref().map(|metadata| Cow::Borrowed(metadata.json())),
            traceparent: job.traceparent.as_deref().map(Cow::Borrowed),
        };
        match &job.work {
            Work::Login { code } => text.code = Some(Cow::Borrowed(code)),
            Work::LoginAndDecrypt { code, encrypted, expect } => {
                text.code = Some(Cow::Borrowed(code));
                text.encrypted = Some(EncryptedText::of(encrypted, *expect));
            }
            Work::StoredSession { handle, encrypted, expect } => {
                text.session = Some(*handle);
                text.encrypted = Some(EncryptedText::of(encrypted, *expect));
            }
            Work::PhoneCode { code, openid } => {
                text.phone_code = Some(Cow::Borrowed(code));
                text.openid = openid.as_deref().map(Cow::Borrowed);
            }
        }
        text
    }

    /// Returns the job of `app` that was written; `None` if its fields contradict each other.
    pub(super) fn job(mut self, app: &str) -> Option<Job> {
        let work = self.work()?;
        Some(Job {
            id: JobId::from_bytes(self.id.try_into().ok()?),
            client: self.client.into_owned(),
            app: AppId::new(app).ok()?,
            created_at: from_unix_ms(self.created_ms)?,
            expires_at: from_unix_ms(self.expires_ms)?,
            work,
            metadata: self.metadata.map(|metadata| Metadata::new(metadata.into_owned())),
            callback_url: self.callback_url.map(Cow::into_owned),
            traceparent: self.traceparent.map(Cow::into_owned),
        })
    }

    /// Returns the work, by which of its fields are there.
    fn work(&mut self) -> Option<Work> {
        let code = self.code.take().map(Cow::into_owned);
        let phone_code = self.phone_code.take().map(Cow::into_owned);
        let encrypted = match self.encrypted.take() {
            None => None,
            Some(EncryptedText { data, iv, expect }) => {
                let iv = <[u8; 16]>::try_from(&*iv).ok()?;
                Some((Encrypted::new(data.into_owned(), iv).ok()?, expect))
            }
        };
        Some(match (code, self.session, phone_code, encrypted) {
            (Some(code), None, None, None) => Work::Login { code },
            (Some(code), None, None, Some((encrypted, expect))) => {
                Work::LoginAndDecrypt { code, encrypted, expect }
            }
            (None, Some(handle), None, Some((encrypted, expect))) => {
                Work::StoredSession { handle, encrypted, expect }
            }
            (None, None, Some(code), None) => {
                Work::PhoneCode { code, openid: self.openid.take().map(Cow::into_owned) }
            }
            _ => return None,
        })
    }
}

impl<'a> EncryptedText<'a> {
    fn of(encrypted: &'a Encrypted, expect: Expect) -> Self {
        Self { data: Cow::Borrowed(encrypted.data()), iv: Cow::Borrowed(encrypted.iv()), expect }
    }
}

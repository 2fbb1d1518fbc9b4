//! What a callback says, and how it proves that it comes from here. Pure.
//!
//! Source: the Standard Webhooks specification: headers `webhook-id`, `webhook-timestamp`
//! and `webhook-signature`, and a body with `type`, `timestamp` and `data`.

use quhao_common::{
    api::{event::EventObject, job::JobObject},
    crypto::webhook_signature::{self, WebhookSecret},
    domain::{callback_target::CallbackEvent, id::JobId},
};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What is posted. Holds what a job gave, so it has no `Debug`.
pub struct Request {
    /// The headers of a callback.
    pub headers: HeaderMap,
    /// JSON.
    pub body: Vec<u8>,
}

/// Word of a job.
pub struct Word {
    /// The job, as its owner knows it.
    pub id: JobId,
    /// Which word.
    pub event: CallbackEvent,
    /// When the result was known.
    pub known_at: OffsetDateTime,
    /// The job.
    pub job: JobObject,
}

impl Word {
    /// The request that carries it, signed at `now` with each of `secrets`. The same word has
    /// the same `webhook-id` at every attempt.
    pub fn sign(self, secrets: &[WebhookSecret], now: OffsetDateTime) -> Request {
        let id = format!("{}{}", self.id.wire(), self.event.suffix());
        let body = EventObject::new(self.event, self.known_at, self.job);
        #[expect(clippy::expect_used, reason = "texts, numbers and JSON that was parsed before")]
        let body = serde_json::to_vec(&body).expect("serialisable");
        let at = now.unix_timestamp();
        let signature = webhook_signature::signatures(secrets, &id, at, &body);
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ID, header(&id));
        headers.insert(TIMESTAMP, HeaderValue::from(at));
        headers.insert(SIGNATURE, header(&signature));
        Request { headers, body }
    }
}

fn header(text: &str) -> HeaderValue {
    #[expect(clippy::expect_used, reason = "base32, base64, commas and blanks")]
    let mut value = HeaderValue::from_str(text).expect("visible ASCII");
    // Kept out of whatever a client may say at its most talkative.
    value.set_sensitive(true);
    value
}

//! The request of a callback: the webhook event and its signature. Pure.
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

/// The request that is posted. It holds the result of a job, so it has no `Debug`.
pub struct Request {
    /// The headers: content type, and those of Standard Webhooks.
    pub headers: HeaderMap,
    /// The body, in JSON.
    pub body: Vec<u8>,
}

/// A webhook event about one job.
pub(super) struct Event {
    /// The job's id.
    pub(super) job_id: JobId,
    /// The kind of event.
    pub(super) kind: CallbackEvent,
    /// The time at which the result was known.
    pub(super) known_at: OffsetDateTime,
    /// The job, as the API shows it.
    pub(super) job: JobObject,
}

impl Event {
    /// Builds the request, signed at `now` with each of `secrets`. Attempts at one event have
    /// the same `webhook-id`.
    pub(super) fn sign(self, secrets: &[WebhookSecret], now: OffsetDateTime) -> Request {
        let id = format!("{}{}", self.job_id.wire(), self.kind.suffix());
        let body = EventObject::new(self.kind, self.known_at, self.job);
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
    // Keeps it out of the HTTP client's logs at any level.
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests;

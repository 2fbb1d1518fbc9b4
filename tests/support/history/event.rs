//! What can happen to a job of a test.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::receiver::Received;

/// One thing that happened to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When; for a call of the platform, when it arrived there.
    pub at: SystemTime,
    /// The job's login code.
    pub code: String,
    /// What happened.
    pub what: What,
}

/// The kinds of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A client submitted the job.
    Submitted {
        /// The producer's answer.
        reply: Reply,
        /// The job's deadline: after it the platform must not be called.
        until: SystemTime,
        /// How long the producer took to answer.
        took: Duration,
        /// Whether a callback was asked for.
        callback: bool,
    },
    /// A client read the job's result.
    Read(Seen),
    /// A worker called the platform with the job's code.
    Called {
        /// Whether the session was given.
        given: bool,
    },
    /// A webhook event about the job was received.
    Notified(WebhookEvent),
}

/// A producer's answer to a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The submission is this job.
    Accepted {
        /// The job's id.
        id: String,
    },
    /// The submission is no job.
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The submission may be a job: the answer was `unconfirmed`, or there was none.
    Unconfirmed,
}

/// A job's result, as clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// No result yet.
    Queued,
    /// A failure, by its code.
    Failed(String),
    /// A phone number.
    Succeeded {
        /// Whether it is the number of the guest whose code it was.
        own: bool,
    },
    /// Erased.
    Erased,
}

impl Seen {
    /// Reads the JSON of a job whose guest has this phone number; `None` if its status is
    /// none that a job has.
    pub fn of(job: &Value, phone: &str) -> Option<Self> {
        let text_at = |pointer| job.pointer(pointer).and_then(Value::as_str);
        match text_at("/status")? {
            "queued" => Some(Self::Queued),
            "failed" => Some(Self::Failed(text_at("/error/code").unwrap_or_default().to_owned())),
            "succeeded" => {
                let own = text_at("/result/phone/pure_phone_number") == Some(phone);
                Some(Self::Succeeded { own })
            }
            _ => None,
        }
    }
}

/// A webhook event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEvent {
    /// Its `webhook-id`.
    pub webhook_id: String,
    /// When it was signed, as its `webhook-timestamp` says.
    pub signed_at: SystemTime,
    /// The result that it reports.
    pub seen: Seen,
    /// Its whole body.
    pub body: String,
}

impl WebhookEvent {
    /// Reads a callback about the job of a guest with this phone number.
    pub fn of(callback: &Received, phone: &str) -> Self {
        let body = callback.json();
        let data = &body["data"];
        let status = data["status"].as_str().unwrap_or_default();
        assert_eq!(body["type"], format!("job.{status}"), "a callback contradicts itself");
        let seen = Seen::of(data, phone).expect("a callback reports a job");
        let seconds = callback.header("webhook-timestamp").parse().expect("seconds");
        Self {
            webhook_id: callback.header("webhook-id").to_owned(),
            signed_at: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
            seen,
            body: callback.body.clone(),
        }
    }
}

/// What is known at the end of a test, beside the events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    /// Calls of the platform that workers have counted as repeated, for any reason.
    pub repeats_counted: u64,
    /// When the queue was empty and no worker held anything, if that was seen. What is read
    /// afterwards is final.
    pub drained_at: Option<SystemTime>,
    /// When the queue was deleted, if it was. Nothing is left of a job that waited in it, so
    /// no callback can be made of it.
    pub queue_deleted_at: Option<SystemTime>,
}

/// A submission that was not answered by a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// When it was answered.
    pub at: SystemTime,
    /// The producer's answer.
    pub reply: Reply,
    /// How long the producer took to answer.
    pub took: Duration,
}

//! What a callback says.

use std::time::{Duration, SystemTime};

use super::Seen;
use crate::receiver::Received;

/// One callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its `webhook-id`.
    pub under: String,
    /// When it was signed, as its `webhook-timestamp` says.
    pub signed_at: SystemTime,
    /// The answer that it tells.
    pub seen: Seen,
    /// All that it says.
    pub body: String,
}

impl Word {
    /// What `callback` says of the job of a guest with this number.
    pub fn of(callback: &Received, phone: &str) -> Self {
        let body = callback.json();
        let data = &body["data"];
        let (event, status) = (&body["type"], data["status"].as_str().unwrap_or_default());
        assert_eq!(event, &format!("job.{status}"), "a callback contradicts itself");
        let seen = Seen::of(data, phone).expect("a callback tells of a job");
        let under = callback.header("webhook-id").to_owned();
        let signed_at = callback.header("webhook-timestamp").parse().expect("seconds");
        let signed_at = SystemTime::UNIX_EPOCH + Duration::from_secs(signed_at);
        Self { under, signed_at, seen, body: callback.body.clone() }
    }
}

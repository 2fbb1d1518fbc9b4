//! What can go wrong with a call.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What the simulator does with one call of an endpoint.
///
/// In JSON: `"normal"`, `{"latency_ms": 200}`, `{"errcode": -1}`, `"reset_before_read"`,
/// `{"half_answer": {"burn": true}}`, `{"raw": {"content_type": "text/plain", "body": "…"}}` and so on.
///
/// *Burning* uses the code up, if the call was good and would have got a session or a phone number: what
/// happens when an exchange took place but its answer never arrived. At the token endpoint there is no code;
/// there, only an action that answers normally or burns lets a forced refresh refresh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Answers as WeChat does. Useful between others in a list.
    Normal,
    /// Does what was asked at once and answers so much later (at most 60 s).
    #[serde(
        rename = "latency_ms",
        serialize_with = "to_milliseconds",
        deserialize_with = "from_milliseconds"
    )]
    Latency(Duration),
    /// Answers with this error; the code stays good.
    Errcode(i64),
    /// Answers with this error; the code is burnt.
    ErrcodeBurning(i64),
    /// Resets the connection without looking at the request. At the head of the queue for the next calls of
    /// [`Endpoint::Jscode2session`](crate::Endpoint::Jscode2session) it takes the next *new* connection as
    /// soon as it is accepted, whoever opens it, so that its client may notice while it connects, sends or
    /// waits. On a connection that is already open, for one code, or at another endpoint, it is a reset upon
    /// the request's arrival.
    ResetBeforeRead,
    /// Reads the request, then resets the connection.
    ResetAfterRead {
        /// Whether the code is burnt.
        burn: bool,
    },
    /// Announces the whole answer, sends half of its body and closes the connection.
    HalfAnswer {
        /// Whether the code is burnt.
        burn: bool,
    },
    /// Answers 200 with an HTML page, as a proxy might; the code stays good.
    Html,
    /// Answers with this HTTP status (200 to 599, else 502) and an HTML page; the code stays good.
    Status(u16),
    /// Never answers; the connection is reset after 60 s or when the simulator stops.
    Hang {
        /// Whether the code is burnt.
        burn: bool,
    },
    /// Answers 200 with this body; the code stays good.
    Raw {
        /// The content type.
        content_type: String,
        /// The body.
        body: String,
    },
    /// Answers 200 with no body at all; the code stays good.
    EmptyBody,
}

impl Action {
    pub(crate) fn is_normal(&self) -> bool {
        matches!(self, Self::Normal | Self::Latency(_))
    }

    pub(crate) fn burns(&self) -> bool {
        matches!(
            self,
            Self::ErrcodeBurning(_)
                | Self::ResetAfterRead { burn: true }
                | Self::HalfAnswer { burn: true }
                | Self::Hang { burn: true }
        )
    }

    pub(crate) fn latency(&self) -> Duration {
        if let Self::Latency(latency) = self { *latency } else { Duration::ZERO }
    }
}

fn to_milliseconds<S: Serializer>(latency: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX))
}

fn from_milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

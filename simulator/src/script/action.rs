//! The things that can go wrong with a call.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A way to answer one call of an endpoint, or not to answer it.
///
/// In JSON: `"normal"`, `{"latency_ms": 200}`, `{"errcode": -1}`, `"reset_before_read"`,
/// `{"half_answer": {"burn": true}}`, `{"raw": {"content_type": "text/plain", "body": "…"}}` and so
/// on.
///
/// *Burning* uses the code up, as long as the call would have got a session or a phone number. That
/// is what happens when WeChat exchanged the code but its answer was lost. The token endpoint has
/// no codes: there, a forced refresh takes effect only if the action answers normally or burns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Answers as WeChat does. Useful between other actions in a list.
    Normal,
    /// Does what was asked at once, and answers after this time (at most 60 s).
    #[serde(
        rename = "latency_ms",
        serialize_with = "to_milliseconds",
        deserialize_with = "from_milliseconds"
    )]
    Latency(Duration),
    /// Answers with this error; the code stays valid.
    Errcode(i64),
    /// Answers with this error; the code is burnt.
    ErrcodeBurning(i64),
    /// Resets the connection without reading the request.
    ///
    /// If it is the first action for the next calls of
    /// [`Endpoint::Jscode2session`](crate::Endpoint::Jscode2session), the next *new* connection is
    /// reset as soon as it is accepted, whoever opens it. Its client may notice while it connects,
    /// sends or waits. On an open connection, for one code, or at another endpoint, the connection
    /// is reset when the request arrives.
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
    /// Answers 200 with an HTML page, as a proxy might; the code stays valid.
    Html,
    /// Answers with this HTTP status (200 to 599, else 502) and an HTML page; the code stays valid.
    Status(u16),
    /// Never answers; the connection is reset after 60 s or when the simulator stops.
    Hang {
        /// Whether the code is burnt.
        burn: bool,
    },
    /// Answers 200 with this body; the code stays valid.
    Raw {
        /// The content type.
        content_type: String,
        /// The body.
        body: String,
    },
    /// Answers 200 with no body at all; the code stays valid.
    EmptyBody,
}

impl Action {
    /// Returns whether the caller gets what it asked for, if the call is good.
    pub(crate) fn is_normal(&self) -> bool {
        matches!(self, Self::Normal | Self::Latency(_))
    }

    /// Returns whether the code is burnt.
    pub(crate) fn burns(&self) -> bool {
        matches!(
            self,
            Self::ErrcodeBurning(_)
                | Self::ResetAfterRead { burn: true }
                | Self::HalfAnswer { burn: true }
                | Self::Hang { burn: true }
        )
    }

    /// Returns how much later the call is answered.
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

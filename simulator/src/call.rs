//! One call and how it ended.

use std::time::SystemTime;

use serde::Serialize;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The session was given: a successful exchange.
    Session,
    /// An access token was given.
    Token,
    /// The phone number was given: a successful redemption.
    Phone,
    /// An error of WeChat's.
    Errcode(i64),
    /// The connection was reset.
    Reset,
    /// Half an answer.
    Half,
    /// A page or a body that WeChat would not send, with this HTTP status.
    Foreign(u16),
    /// No answer for as long as the caller or the simulator would wait.
    Hung,
    /// The caller went away before the answer.
    Abandoned,
}

impl Answer {
    /// Whether the caller got what it came for.
    pub(crate) fn is_given(self) -> bool {
        matches!(self, Self::Session | Self::Token | Self::Phone)
    }
}

/// One call of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it arrived.
    pub at: SystemTime,
    /// The appid it named, or whose good access token it carried; empty if there was none or it was reset
    /// unread.
    pub app_id: String,
    /// The login or phone code it named; empty likewise, and at the token endpoint.
    pub code: String,
    /// How it ended.
    pub answer: Answer,
}

//! What follows an attempt. Pure: clock and chance are the caller's.

use std::time::{Duration, SystemTime};

use quhao_common::{config, process::backoff::Backoff};

use super::reason::Reason;

/// Eleven pauses of these are between five and ten minutes: about the whole time that a
/// callback has by default.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(2));

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With an answer.
    Answered {
        /// Its HTTP status.
        status: u16,
        /// What its `Retry-After` asks for.
        retry_after: Option<Duration>,
    },
    /// Without one.
    Not(Reason),
}

/// What an attempt is judged by, besides its end.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// How long ago the callback became due first.
    pub elapsed: Duration,
    /// From 0 to 1: where in its range the pause lies.
    pub chance: f64,
}

/// How long and how often a callback is tried.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long after it became due an attempt may still begin.
    pub total: Duration,
    /// Attempts at most.
    pub attempts_max: u32,
}

impl Limits {
    /// Those of the configuration.
    pub fn of(settings: &config::Callbacks) -> Self {
        Self { total: settings.total, attempts_max: settings.attempts_max }
    }
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing: the receiver has it.
    Delivered,
    /// Another attempt.
    Again {
        /// After this pause.
        after: Duration,
    },
    /// Nothing: it is given up.
    Failed,
}

impl Ended {
    /// The HTTP status, if an answer came.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(status),
            Self::Not(_) => None,
        }
    }

    /// Why it does not count; `None` if it does.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Answered { status: 200..=299, .. } => None,
            Self::Answered { status: 300..=399, .. } => Some(Reason::Redirect),
            Self::Answered { status: 410, .. } => Some(Reason::Gone),
            Self::Answered { .. } => Some(Reason::Status),
            Self::Not(reason) => Some(reason),
        }
    }
}

/// What follows an attempt that `ended` so.
///
/// There is no attempt after the time limit, and none is pulled forward to fit into it: a
/// receiver that asked for longer, or failed for so long, is not served by one more knock.
/// What another worker, or a mended configuration, may be able to send is tried again like
/// what a receiver refused.
pub fn judge(ended: Ended, moment: Moment, limits: Limits) -> Judgement {
    let Some(reason) = ended.reason() else { return Judgement::Delivered };
    let is_final = matches!(reason, Reason::Gone | Reason::Damaged | Reason::Superseded);
    if is_final || moment.attempt >= limits.attempts_max {
        return Judgement::Failed;
    }
    let asked = match ended {
        Ended::Answered { status: 429 | 502 | 503 | 504, retry_after } => retry_after,
        Ended::Answered { .. } | Ended::Not(_) => None,
    };
    let after = BACKOFF.pause(moment.attempt, moment.chance).max(asked.unwrap_or_default());
    if moment.elapsed.saturating_add(after) > limits.total {
        return Judgement::Failed;
    }
    Judgement::Again { after }
}

/// Reads a `Retry-After`: seconds, or a date in one of the three forms of HTTP (RFC 9110,
/// sections 10.2.3 and 5.6.7). `None` for anything else.
pub fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than fit are longer than any limit.
        return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

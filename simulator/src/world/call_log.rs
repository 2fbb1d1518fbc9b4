//! What was called and how it ended: counters, and records of the last calls.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;

use crate::wechat::endpoint::Endpoint;

/// A call of an endpoint that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it arrived.
    pub at: SystemTime,
    /// The appid that it named, or the app whose valid access token it carried. Empty if there was
    /// neither, or if the connection was reset before the request was read.
    pub app_id: String,
    /// The login or phone code that it named. Empty likewise, and at the token endpoint.
    pub code: String,
    /// How it ended.
    pub end: CallEnd,
}

/// The way a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// The session was given: a successful exchange.
    Session,
    /// An access token was given.
    Token,
    /// The phone number was given: a successful redemption.
    Phone,
    /// An error of WeChat's, with this number.
    Errcode(i64),
    /// The connection was reset.
    Reset,
    /// Half a response.
    Half,
    /// A page or a body that WeChat would not send, with this HTTP status.
    Foreign(u16),
    /// No response for as long as the caller or the simulator would wait.
    Hung,
    /// The caller disconnected before the response.
    Abandoned,
}

impl CallEnd {
    /// Returns how a successful call of an endpoint ends.
    pub(crate) fn success_at(endpoint: Endpoint) -> Self {
        match endpoint {
            Endpoint::Jscode2session | Endpoint::ComponentJscode2session => Self::Session,
            Endpoint::StableToken => Self::Token,
            Endpoint::Getuserphonenumber => Self::Phone,
        }
    }

    /// Returns whether the caller got what it asked for.
    pub(crate) fn is_success(self) -> bool {
        matches!(self, Self::Session | Self::Token | Self::Phone)
    }
}

/// The calls of one endpoint.
pub(crate) struct CallLog {
    calls: AtomicU64,
    successes: AtomicU64,
    burnt: AtomicU64,
    bad_tokens: AtomicU64,
    force_refreshes: AtomicU64,
    unanswered: AtomicU64,
    by_errcode: Mutex<BTreeMap<i64, u64>>,
    records: Mutex<VecDeque<Call>>,
    records_max: usize,
}

/// The counters of one endpoint.
pub(crate) struct Totals {
    pub(crate) calls: u64,
    /// Calls whose caller got what it asked for.
    pub(crate) successes: u64,
    pub(crate) burnt: u64,
    pub(crate) bad_tokens: u64,
    pub(crate) force_refreshes: u64,
    pub(crate) unanswered: u64,
    pub(crate) by_errcode: BTreeMap<i64, u64>,
}

impl CallLog {
    /// Creates an empty log that keeps at most `records_max` records.
    pub(crate) fn new(records_max: usize) -> Self {
        Self {
            calls: AtomicU64::new(0),
            successes: AtomicU64::new(0),
            burnt: AtomicU64::new(0),
            bad_tokens: AtomicU64::new(0),
            force_refreshes: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            by_errcode: Mutex::default(),
            records: Mutex::default(),
            records_max,
        }
    }

    /// Counts a call that arrived. Returns the time for its record, or `None` if calls are not
    /// recorded.
    pub(crate) fn count_arrival(&self) -> Option<SystemTime> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        (self.records_max > 0).then(SystemTime::now)
    }

    /// Counts a call without a valid token.
    pub(crate) fn count_bad_token(&self) {
        self.bad_tokens.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that asks for a forced refresh.
    pub(crate) fn count_force_refresh(&self) {
        self.force_refreshes.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a code that was used up without an answer to its caller.
    pub(crate) fn count_burnt(&self) {
        self.burnt.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the end of a call.
    pub(crate) fn count_end(&self, end: CallEnd) {
        match end {
            CallEnd::Session | CallEnd::Token | CallEnd::Phone => {
                self.successes.fetch_add(1, Ordering::Relaxed);
            }
            CallEnd::Errcode(errcode) => *self.by_errcode.lock().entry(errcode).or_default() += 1,
            CallEnd::Foreign(_) => {}
            CallEnd::Reset | CallEnd::Half | CallEnd::Hung | CallEnd::Abandoned => {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Counts and records a connection that was reset as soon as it was accepted.
    pub(crate) fn log_reset_on_accept(&self) {
        let end = CallEnd::Reset;
        let at = self.count_arrival();
        self.count_end(end);
        if let Some(at) = at {
            self.record(Call { at, app_id: String::new(), code: String::new(), end });
        }
    }

    /// Keeps the record of a call, and forgets the oldest if there are too many.
    pub(crate) fn record(&self, call: Call) {
        let mut records = self.records.lock();
        if records.len() >= self.records_max {
            records.pop_front();
        }
        records.push_back(call);
    }

    /// Returns the counters.
    pub(crate) fn totals(&self) -> Totals {
        Totals {
            calls: self.calls.load(Ordering::Relaxed),
            successes: self.successes.load(Ordering::Relaxed),
            burnt: self.burnt.load(Ordering::Relaxed),
            bad_tokens: self.bad_tokens.load(Ordering::Relaxed),
            force_refreshes: self.force_refreshes.load(Ordering::Relaxed),
            unanswered: self.unanswered.load(Ordering::Relaxed),
            by_errcode: self.by_errcode.lock().clone(),
        }
    }

    /// Returns the records, in the order in which the calls ended.
    pub(crate) fn records(&self) -> Vec<Call> {
        self.records.lock().iter().cloned().collect()
    }
}

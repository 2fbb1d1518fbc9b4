//! What was asked and answered: counters that are always on, and records up to a bound.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use serde::Serialize;

use crate::lock::locked;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The session was given: a successful exchange.
    Session,
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

/// One call of `jscode2session`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it arrived.
    pub at: SystemTime,
    /// The appid it named; empty if it named none or was reset unread.
    pub app_id: String,
    /// The code it named; empty likewise.
    pub code: String,
    /// How it ended.
    pub answer: Answer,
}

/// Counters of calls of `jscode2session` since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Calls that arrived, whatever became of them.
    pub calls: u64,
    /// Exchanges whose session was given to the caller.
    pub exchanges: u64,
    /// Codes used up without their caller getting the session.
    pub burnt: u64,
    /// Calls that ended without a whole HTTP answer.
    pub unanswered: u64,
    /// Error answers by number.
    pub by_errcode: BTreeMap<i64, u64>,
}

/// Counts and remembers calls.
pub(crate) struct Ledger {
    calls: AtomicU64,
    exchanges: AtomicU64,
    burnt: AtomicU64,
    unanswered: AtomicU64,
    by_errcode: Mutex<BTreeMap<i64, u64>>,
    records: Mutex<VecDeque<Call>>,
    bound: usize,
}

impl Ledger {
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            calls: AtomicU64::new(0),
            exchanges: AtomicU64::new(0),
            burnt: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            by_errcode: Mutex::default(),
            records: Mutex::default(),
            bound,
        }
    }

    /// A call arrived. Gives the time for its record, or `None` when calls are not recorded.
    pub(crate) fn arrived(&self) -> Option<SystemTime> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        (self.bound > 0).then(SystemTime::now)
    }

    /// A call ended; `burnt` says whether it used a code up in vain.
    pub(crate) fn ended(&self, answer: Answer, burnt: bool) {
        self.burnt.fetch_add(u64::from(burnt), Ordering::Relaxed);
        match answer {
            Answer::Session => {
                self.exchanges.fetch_add(1, Ordering::Relaxed);
            }
            Answer::Errcode(errcode) => *locked(&self.by_errcode).entry(errcode).or_default() += 1,
            Answer::Foreign(_) => {}
            Answer::Reset | Answer::Half | Answer::Hung | Answer::Abandoned => {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn record(&self, call: Call) {
        let mut records = locked(&self.records);
        if records.len() >= self.bound {
            records.pop_front();
        }
        records.push_back(call);
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            calls: self.calls.load(Ordering::Relaxed),
            exchanges: self.exchanges.load(Ordering::Relaxed),
            burnt: self.burnt.load(Ordering::Relaxed),
            unanswered: self.unanswered.load(Ordering::Relaxed),
            by_errcode: locked(&self.by_errcode).clone(),
        }
    }

    pub(crate) fn records(&self) -> Vec<Call> {
        locked(&self.records).iter().cloned().collect()
    }
}

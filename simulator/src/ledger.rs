//! What was asked and answered: counters that are always on, and records up to a bound.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::{
    call::{Answer, Call},
    counts::{ComponentCounts, Counts, RedeemCounts},
    lock::locked,
};

/// Counts and remembers the calls of one endpoint.
pub(crate) struct Ledger {
    calls: AtomicU64,
    given: AtomicU64,
    burnt: AtomicU64,
    bad_tokens: AtomicU64,
    unanswered: AtomicU64,
    by_errcode: Mutex<BTreeMap<i64, u64>>,
    records: Mutex<VecDeque<Call>>,
    bound: usize,
}

/// The counters of any endpoint.
pub(crate) struct Tally {
    pub(crate) calls: u64,
    /// Calls that got what they came for.
    pub(crate) given: u64,
    pub(crate) burnt: u64,
    pub(crate) bad_tokens: u64,
    pub(crate) unanswered: u64,
    pub(crate) by_errcode: BTreeMap<i64, u64>,
}

impl Ledger {
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            calls: AtomicU64::new(0),
            given: AtomicU64::new(0),
            burnt: AtomicU64::new(0),
            bad_tokens: AtomicU64::new(0),
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

    /// The token of a call was none that is valid.
    pub(crate) fn count_bad_token(&self) {
        self.bad_tokens.fetch_add(1, Ordering::Relaxed);
    }

    /// A call ended; `burnt` says whether it used a code up in vain.
    pub(crate) fn ended(&self, answer: Answer, burnt: bool) {
        self.burnt.fetch_add(u64::from(burnt), Ordering::Relaxed);
        match answer {
            Answer::Session | Answer::Token | Answer::Phone => {
                self.given.fetch_add(1, Ordering::Relaxed);
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

    pub(crate) fn tally(&self) -> Tally {
        Tally {
            calls: self.calls.load(Ordering::Relaxed),
            given: self.given.load(Ordering::Relaxed),
            burnt: self.burnt.load(Ordering::Relaxed),
            bad_tokens: self.bad_tokens.load(Ordering::Relaxed),
            unanswered: self.unanswered.load(Ordering::Relaxed),
            by_errcode: locked(&self.by_errcode).clone(),
        }
    }

    pub(crate) fn records(&self) -> Vec<Call> {
        locked(&self.records).iter().cloned().collect()
    }
}

impl From<Tally> for Counts {
    fn from(tally: Tally) -> Self {
        Self {
            calls: tally.calls,
            exchanges: tally.given,
            burnt: tally.burnt,
            unanswered: tally.unanswered,
            by_errcode: tally.by_errcode,
        }
    }
}

impl From<Tally> for ComponentCounts {
    fn from(tally: Tally) -> Self {
        Self {
            calls: tally.calls,
            exchanges: tally.given,
            burnt: tally.burnt,
            bad_tokens: tally.bad_tokens,
            unanswered: tally.unanswered,
            by_errcode: tally.by_errcode,
        }
    }
}

impl From<Tally> for RedeemCounts {
    fn from(tally: Tally) -> Self {
        Self {
            redeems: tally.calls,
            redeemed: tally.given,
            burnt: tally.burnt,
            bad_tokens: tally.bad_tokens,
            unanswered: tally.unanswered,
            by_errcode: tally.by_errcode,
        }
    }
}

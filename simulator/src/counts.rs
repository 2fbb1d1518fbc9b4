//! What happened since the start, in numbers: one kind of counters an endpoint.

use std::collections::BTreeMap;

use serde::Serialize;

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

/// Counters of calls of `component/jscode2session` since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ComponentCounts {
    /// Calls that arrived, whatever became of them.
    pub calls: u64,
    /// Exchanges whose session was given to the caller.
    pub exchanges: u64,
    /// Codes used up without their caller getting the session.
    pub burnt: u64,
    /// Calls whose component token was missing, wrong or no longer valid, whatever the script answered.
    pub bad_tokens: u64,
    /// Calls that ended without a whole HTTP answer.
    pub unanswered: u64,
    /// Error answers by number.
    pub by_errcode: BTreeMap<i64, u64>,
}

/// Counters of calls of `stable_token` since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TokenCounts {
    /// Calls that arrived, whatever became of them.
    pub fetches: u64,
    /// Calls that asked for a forced refresh, whatever became of them.
    pub force_refreshes: u64,
    /// Calls whose caller was given a token, be it a new one or the same again.
    pub given: u64,
    /// Different tokens made, for calls and by [`Simulator::access_token`](crate::Simulator::access_token).
    pub minted: u64,
    /// Calls that ended without a whole HTTP answer.
    pub unanswered: u64,
    /// Error answers by number.
    pub by_errcode: BTreeMap<i64, u64>,
}

/// Counters of calls of `getuserphonenumber` since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RedeemCounts {
    /// Calls that arrived, whatever became of them.
    pub redeems: u64,
    /// Calls whose caller was given the phone number.
    pub redeemed: u64,
    /// Codes used up without their caller getting the phone number.
    pub burnt: u64,
    /// Calls whose access token was missing, wrong, expired or revoked, whatever the script answered.
    pub bad_tokens: u64,
    /// Calls that ended without a whole HTTP answer.
    pub unanswered: u64,
    /// Error answers by number.
    pub by_errcode: BTreeMap<i64, u64>,
}

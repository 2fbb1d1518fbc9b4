//! The counters that tests read, one struct for each endpoint.

use std::collections::BTreeMap;

use serde::Serialize;

use super::call_log::Totals;

/// The numbers of calls of `jscode2session` since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Calls that arrived, however they ended.
    pub calls: u64,
    /// Exchanges whose session was given to the caller.
    pub exchanges: u64,
    /// Codes that were used up without giving the session to the caller.
    pub burnt: u64,
    /// Calls that ended without a complete HTTP response.
    pub unanswered: u64,
    /// Error answers by number.
    pub by_errcode: BTreeMap<i64, u64>,
}

/// The numbers of calls of `component/jscode2session` since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ComponentCounts {
    /// Calls that arrived, however they ended.
    pub calls: u64,
    /// Exchanges whose session was given to the caller.
    pub exchanges: u64,
    /// Codes that were used up without giving the session to the caller.
    pub burnt: u64,
    /// Calls whose component token was missing, wrong or no longer valid, whatever was scripted.
    pub bad_tokens: u64,
    /// Calls that ended without a complete HTTP response.
    pub unanswered: u64,
    /// Error answers by number.
    pub by_errcode: BTreeMap<i64, u64>,
}

/// The numbers of calls of `stable_token` since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TokenCounts {
    /// Calls that arrived, however they ended.
    pub fetches: u64,
    /// Calls that asked for a forced refresh, however they ended.
    pub force_refreshes: u64,
    /// Calls whose caller was given a token, a new one or the same again.
    pub given: u64,
    /// Different tokens that were made, for calls and by
    /// [`Simulator::access_token`](crate::Simulator::access_token).
    pub minted: u64,
    /// Calls that ended without a complete HTTP response.
    pub unanswered: u64,
    /// Error answers by number.
    pub by_errcode: BTreeMap<i64, u64>,
}

/// The numbers of calls of `getuserphonenumber` since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RedeemCounts {
    /// Calls that arrived, however they ended.
    pub redeems: u64,
    /// Calls whose caller was given the phone number.
    pub redeemed: u64,
    /// Codes that were used up without giving the phone number to the caller.
    pub burnt: u64,
    /// Calls whose access token was missing, wrong, expired or revoked, whatever was scripted.
    pub bad_tokens: u64,
    /// Calls that ended without a complete HTTP response.
    pub unanswered: u64,
    /// Error answers by number.
    pub by_errcode: BTreeMap<i64, u64>,
}

impl From<Totals> for Counts {
    fn from(totals: Totals) -> Self {
        Self {
            calls: totals.calls,
            exchanges: totals.successes,
            burnt: totals.burnt,
            unanswered: totals.unanswered,
            by_errcode: totals.by_errcode,
        }
    }
}

impl From<Totals> for ComponentCounts {
    fn from(totals: Totals) -> Self {
        Self {
            calls: totals.calls,
            exchanges: totals.successes,
            burnt: totals.burnt,
            bad_tokens: totals.bad_tokens,
            unanswered: totals.unanswered,
            by_errcode: totals.by_errcode,
        }
    }
}

impl TokenCounts {
    /// Creates the counts from those of the endpoint and the number of tokens made.
    pub(crate) fn new(totals: Totals, minted: u64) -> Self {
        Self {
            fetches: totals.calls,
            force_refreshes: totals.force_refreshes,
            given: totals.successes,
            minted,
            unanswered: totals.unanswered,
            by_errcode: totals.by_errcode,
        }
    }
}

impl From<Totals> for RedeemCounts {
    fn from(totals: Totals) -> Self {
        Self {
            redeems: totals.calls,
            redeemed: totals.successes,
            burnt: totals.burnt,
            bad_tokens: totals.bad_tokens,
            unanswered: totals.unanswered,
            by_errcode: totals.by_errcode,
        }
    }
}

//! How soon the jobs of a killed worker are run elsewhere.

use std::time::{Duration, SystemTime};

use quhao_simulator::{Call, CallEnd};

/// Longest that a call may have been in flight when its caller is killed.
const CALL_MAX: Duration = Duration::from_secs(2);

/// The calls that kills have cut off: the times from each kill to the next call with the same
/// code, shortest first.
#[derive(Debug, Default)]
pub(super) struct CutOffCalls {
    /// Times of jobs whose first call was cut off.
    pub(super) first: Vec<Duration>,
    /// Times of jobs of which an earlier call was cut off, too. A job to which that happens
    /// again and again is quarantined.
    pub(super) repeated: Vec<Duration>,
    /// Codes with which the platform was not called again.
    pub(super) abandoned: Vec<String>,
}

impl CutOffCalls {
    /// Finds the calls, in any order, that were in flight at these kills.
    pub(super) fn find(calls: &[Call], kills: &[SystemTime]) -> Self {
        let mut found = Self::default();
        for killed_at in kills {
            let in_flight = calls.iter().filter(|call| {
                let before = call.at <= *killed_at && since(call.at, *killed_at) <= CALL_MAX;
                before && call.end == CallEnd::Abandoned
            });
            for cut_off in in_flight {
                let of_job = || calls.iter().filter(|call| call.code == cut_off.code);
                let next = of_job().map(|call| call.at).filter(|at| at > killed_at).min();
                let is_first = of_job().all(|call| call.at >= cut_off.at);
                match next.map(|at| since(*killed_at, at)) {
                    Some(time) if is_first => found.first.push(time),
                    Some(time) => found.repeated.push(time),
                    None => found.abandoned.push(cut_off.code.clone()),
                }
            }
        }
        found.first.sort();
        found.repeated.sort();
        found
    }
}

/// Returns the time from `first` to `last`; zero if that is the wrong way round.
pub fn since(first: SystemTime, last: SystemTime) -> Duration {
    last.duration_since(first).unwrap_or_default()
}

//! How soon the jobs of a worker that was killed are worked on elsewhere.

use std::time::{Duration, SystemTime};

use quhao_simulator::{Call, CallEnd};

use super::outcome::since;

/// Longest that a call may be under way when its caller is killed.
const CALL_MAX: Duration = Duration::from_secs(2);

/// What became of the calls that were under way at some kills: from each kill to the next
/// call for the same code. The shortest times are first.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// Of jobs that nobody had called for before.
    pub(super) once: Vec<Duration>,
    /// Of those whose worker was not the first to be killed. If that happens to a job again
    /// and again, it waits until it is worked on alone.
    pub(super) again: Vec<Duration>,
    /// Codes for which nobody has called any more.
    pub(super) stayed: Vec<String>,
}

/// What `calls` (in any order) say of these kills.
pub(super) fn moves(calls: &[Call], kills: &[SystemTime]) -> Moves {
    let mut moves = Moves::default();
    for killed_at in kills {
        let under_way = calls.iter().filter(|call| {
            let before = call.at <= *killed_at && since(call.at, *killed_at) <= CALL_MAX;
            before && call.end == CallEnd::Abandoned
        });
        for held in under_way {
            let of_job = || calls.iter().filter(|call| call.code == held.code);
            let next = of_job().map(|call| call.at).filter(|at| at > killed_at).min();
            let is_first = of_job().all(|call| call.at >= held.at);
            match next.map(|at| since(*killed_at, at)) {
                Some(time) if is_first => moves.once.push(time),
                Some(time) => moves.again.push(time),
                None => moves.stayed.push(held.code.clone()),
            }
        }
    }
    moves.once.sort();
    moves.again.sort();
    moves
}

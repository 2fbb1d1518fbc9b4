//! When a breaker opens, how it probes, and when it closes.

use quhao_common::domain::failure::FailureCode;

use super::*;
use crate::platform::CallFailure;

mod any_history;
mod quota;

const INTO_MINUTE: Duration = Duration::from_secs(50);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A breaker with a clock of its own.
struct Clocked {
    breaker: Breaker,
    now: Instant,
    chance: f64,
}

impl Clocked {
    fn new() -> Self {
        Self { breaker: Breaker::default(), now: Instant::now(), chance: 1.0 }
    }

    /// Creates a breaker that has just opened for `cause`.
    fn opened(cause: Cause) -> Self {
        let mut clocked = Self::new();
        match cause {
            Cause::Down => {
                clocked.fail(1);
                clocked.advance(FAILING_MIN).fail(FAILURES_MAX - 1);
            }
            Cause::MinuteQuota => {
                for number in 0..OVER_QUOTA_JOBS {
                    clocked.record(None, CallResult::OverMinuteQuota(job(number)));
                }
            }
            Cause::DayQuota => clocked.record(None, CallResult::OverDayQuota),
        }
        assert_eq!(clocked.cause(), Some(cause));
        clocked
    }

    fn admit(&mut self) -> Admission {
        self.breaker.admit(self.now, self.chance)
    }

    fn record(&mut self, probe: Option<Probe>, result: CallResult) {
        let input = BreakerInput { now: self.now, into_minute: INTO_MINUTE, chance: self.chance };
        self.breaker.record(probe, result, input);
    }

    fn advance(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    fn cause(&self) -> Option<Cause> {
        self.breaker.open().map(|open| open.cause)
    }

    fn fail(&mut self, times: u32) {
        for _ in 0..times {
            self.record(None, CallResult::Failed);
        }
    }

    /// Returns the next probe, after as many pauses as it takes.
    fn next_probe(&mut self) -> Probe {
        loop {
            match self.admit() {
                Admission::Call(probe) => return probe.expect("a probe"),
                Admission::Wait { pause, .. } => self.advance(pause),
                Admission::GiveUp { .. } => self.advance(Duration::from_secs(1)),
            };
        }
    }
}

fn job(number: usize) -> JobKey {
    JobKey::from_bytes([u8::try_from(number).unwrap(); 16])
}

#[test]
fn failures_in_a_row_open_it() {
    let mut clocked = Clocked::new();
    clocked.fail(1);
    clocked.advance(FAILING_MIN).fail(FAILURES_MAX - 2);
    assert_eq!((clocked.cause(), clocked.admit()), (None, Admission::Call(None)));
    clocked.fail(1);
    assert_eq!(clocked.cause(), Some(Cause::Down));
    assert!(matches!(clocked.admit(), Admission::Wait { cause: Cause::Down, .. }));
}

#[test]
fn connections_that_break_at_once_do_not_open_it() {
    let mut clocked = Clocked::new();
    clocked.fail(1);
    clocked.advance(FAILING_MIN.saturating_sub(MILLISECOND)).fail(1000);
    assert_eq!(clocked.cause(), None);
    clocked.advance(MILLISECOND).fail(1);
    assert_eq!(clocked.cause(), Some(Cause::Down), "they break again and again");
}

#[test]
fn any_answer_ends_the_row() {
    for answer in [CallResult::Answered, CallResult::OverMinuteQuota(job(0))] {
        let mut clocked = Clocked::new();
        for _ in 0..10 {
            clocked.advance(FAILING_MIN).fail(FAILURES_MAX - 1);
            clocked.record(None, answer);
            assert_eq!(clocked.cause(), None, "{answer:?}");
        }
        clocked.fail(FAILURES_MAX);
        clocked.advance(FAILING_MIN).fail(1);
        assert_eq!(clocked.cause(), Some(Cause::Down));
    }
}

#[test]
fn each_call_failure_has_its_result() {
    let result_of = |failure| CallResult::from_failure(failure, job(7));
    for failure in [CallFailure::NotSent, CallFailure::Unanswered, CallFailure::Busy] {
        assert_eq!(result_of(failure), Some(CallResult::Failed));
    }
    for failure in [CallFailure::CodeInvalid, CallFailure::CodeUsed, CallFailure::CredentialRefused]
    {
        assert_eq!(result_of(failure), Some(CallResult::Answered));
    }
    assert_eq!(result_of(CallFailure::MinuteQuota), Some(CallResult::OverMinuteQuota(job(7))));
    assert_eq!(result_of(CallFailure::NoCredential), None, "nobody was called");
    for code in FailureCode::ALL {
        let is_quota = *code == FailureCode::PlatformRateLimited;
        let expected = if is_quota { CallResult::OverDayQuota } else { CallResult::Answered };
        assert_eq!(result_of(CallFailure::Final(*code)), Some(expected), "{code:?}");
    }
}

#[test]
fn pauses_between_probes_grow_and_a_success_closes() {
    let mut clocked = Clocked::opened(Cause::Down);
    let is_held_back = |clocked: &mut Clocked| {
        matches!(clocked.admit(), Admission::Wait { cause: Cause::Down, .. })
    };
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let Admission::Wait { pause, cause: Cause::Down } = clocked.admit() else {
            panic!("{:?}", clocked.admit())
        };
        clocked.advance(pause.saturating_sub(MILLISECOND));
        assert!(is_held_back(&mut clocked), "it is not over yet");
        clocked.advance(MILLISECOND);
        let Admission::Call(probe) = clocked.admit() else { panic!("no probe") };
        assert!(probe.is_some());
        assert!(is_held_back(&mut clocked), "one probe at a time");
        clocked.record(probe, CallResult::Failed);
        pauses.push(pause);
    }
    assert!(pauses.is_sorted() && pauses[0] < pauses[3], "{pauses:?}");
    assert_eq!(pauses.last(), Some(&DOWN_PAUSE_MAX));
    let probe = clocked.next_probe();
    clocked.record(Some(probe), CallResult::Answered);
    assert_eq!(clocked.admit(), Admission::Call(None));
    assert!(!clocked.breaker.is_in_use(), "nothing is left of it");
}

#[test]
fn a_cancelled_probe_lets_the_next_one_try() {
    let mut clocked = Clocked::opened(Cause::Down);
    for _ in 0..3 {
        let probe = clocked.next_probe();
        assert!(matches!(clocked.admit(), Admission::Wait { .. }));
        clocked.breaker.cancel(probe);
    }
    assert!(matches!(clocked.admit(), Admission::Call(Some(_))));
}

#[test]
fn a_late_answer_ends_an_outage_but_no_quota() {
    for (cause, left) in [
        (Cause::Down, None),
        (Cause::MinuteQuota, Some(Cause::MinuteQuota)),
        (Cause::DayQuota, Some(Cause::DayQuota)),
    ] {
        let mut clocked = Clocked::opened(cause);
        clocked.record(None, CallResult::Answered);
        assert_eq!(clocked.cause(), left);
    }
}

#[test]
fn a_late_failure_changes_nothing() {
    for cause in Cause::ALL {
        let mut clocked = Clocked::opened(cause);
        let before = clocked.breaker.open();
        clocked.fail(20);
        assert_eq!(clocked.breaker.open(), before);
    }
}

#[test]
fn an_earlier_probe_is_a_call_like_others() {
    let mut clocked = Clocked::opened(Cause::Down);
    let old = clocked.next_probe();
    clocked.record(None, CallResult::Answered);
    clocked.fail(1);
    clocked.advance(FAILING_MIN).fail(FAILURES_MAX);
    let new = clocked.next_probe();
    assert_ne!(new, old);
    clocked.record(Some(old), CallResult::Failed);
    clocked.breaker.cancel(old);
    assert!(matches!(clocked.admit(), Admission::Wait { .. }), "the new one is under way");
}

#[test]
fn what_is_old_is_forgotten() {
    for cause in Cause::ALL {
        let mut clocked = Clocked::opened(cause);
        let now = clocked.advance(Duration::from_mins(21)).now;
        clocked.breaker.expire(now);
        assert!(!clocked.breaker.is_in_use(), "{cause:?}");
    }
    let mut clocked = Clocked::opened(Cause::Down);
    let probe = clocked.next_probe();
    let now = clocked.advance(Duration::from_hours(1)).now;
    clocked.breaker.expire(now);
    assert!(matches!(clocked.admit(), Admission::Wait { .. }), "its probe is still under way");
    clocked.breaker.cancel(probe);
    clocked.breaker.expire(now);
    assert!(!clocked.breaker.is_in_use());
}

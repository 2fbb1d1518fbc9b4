//! When the calls for an app are held back, and when one tries whether it is over.

use std::time::{Duration, Instant};

use quhao_common::domain::{failure::FailureCode, id::JobKey};
use quhao_worker::{
    circuit_breaker::{
        call_result::{Cause, Signal},
        state::{
            DOWN_LONGEST, FAILING_LEAST, FAILURES_MAX, Moment, Next, OVER_QUOTA_MAX, State, Ticket,
        },
    },
    platform::Trouble,
};

mod apps;
mod history;
mod quota;

const INTO_MINUTE: Duration = Duration::from_secs(50);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A state with a clock of its own.
struct Bench {
    state: State,
    now: Instant,
    chance: f64,
}

impl Bench {
    fn new() -> Self {
        Self { state: State::default(), now: Instant::now(), chance: 1.0 }
    }

    fn next(&mut self) -> Next {
        self.state.next(self.now, self.chance)
    }

    fn told(&mut self, ticket: Ticket, signal: Signal) {
        let (now, chance) = (self.now, self.chance);
        self.state.told(ticket, signal, Moment { now, into_minute: INTO_MINUTE, chance });
    }

    fn after(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    fn cause(&self) -> Option<Cause> {
        self.state.open().map(|open| open.cause)
    }

    fn failed(&mut self, times: u32) {
        for _ in 0..times {
            self.told(Ticket::PLAIN, Signal::Failed);
        }
    }

    /// A circuit that has just opened because of `cause`.
    fn open(cause: Cause) -> Self {
        let mut bench = Self::new();
        match cause {
            Cause::Down => {
                bench.failed(1);
                bench.after(FAILING_LEAST).failed(FAILURES_MAX - 1);
            }
            Cause::MinuteQuota => {
                for number in 0..OVER_QUOTA_MAX {
                    bench.told(Ticket::PLAIN, Signal::OverMinute(job(number)));
                }
            }
            Cause::DayQuota => bench.told(Ticket::PLAIN, Signal::OverDay),
        }
        assert_eq!(bench.cause(), Some(cause));
        bench
    }

    /// The next probe: waits as long as it is told to.
    fn probe(&mut self) -> Ticket {
        loop {
            match self.next() {
                Next::Call(ticket) => return ticket,
                Next::Wait(pause, _) => self.after(pause),
                Next::DoWithout(_) => self.after(Duration::from_secs(1)),
            };
        }
    }
}

fn job(number: usize) -> JobKey {
    JobKey::from_bytes([u8::try_from(number).unwrap(); 16])
}

#[test]
fn so_many_failures_in_a_row_open_it() {
    let mut bench = Bench::new();
    bench.failed(1);
    bench.after(FAILING_LEAST).failed(FAILURES_MAX - 2);
    assert_eq!((bench.cause(), bench.next()), (None, Next::Call(Ticket::PLAIN)));
    bench.failed(1);
    assert_eq!(bench.cause(), Some(Cause::Down));
    assert!(matches!(bench.next(), Next::Wait(_, Cause::Down)));
}

#[test]
fn connections_that_break_all_at_once_do_not() {
    let mut bench = Bench::new();
    bench.failed(1);
    bench.after(FAILING_LEAST.saturating_sub(MILLISECOND)).failed(1000);
    assert_eq!(bench.cause(), None);
    bench.after(MILLISECOND).failed(1);
    assert_eq!(bench.cause(), Some(Cause::Down), "they break again and again");
}

#[test]
fn any_answer_ends_the_row() {
    for answer in [Signal::Answered, Signal::OverMinute(job(0))] {
        let mut bench = Bench::new();
        for _ in 0..10 {
            bench.after(FAILING_LEAST).failed(FAILURES_MAX - 1);
            bench.told(Ticket::PLAIN, answer);
            assert_eq!(bench.cause(), None, "{answer:?}");
        }
        bench.failed(FAILURES_MAX);
        bench.after(FAILING_LEAST).failed(1);
        assert_eq!(bench.cause(), Some(Cause::Down));
    }
}

#[test]
fn a_call_tells_what_its_trouble_means() {
    let told = |trouble| Signal::of(trouble, job(7));
    for trouble in [Trouble::NotSent, Trouble::Unanswered, Trouble::Busy] {
        assert_eq!(told(trouble), Some(Signal::Failed));
    }
    for trouble in [Trouble::CodeInvalid, Trouble::CodeUsed, Trouble::CredentialRefused] {
        assert_eq!(told(trouble), Some(Signal::Answered));
    }
    assert_eq!(told(Trouble::MinuteQuota), Some(Signal::OverMinute(job(7))));
    assert_eq!(told(Trouble::NoCredential), None, "nobody was called");
    for code in FailureCode::ALL {
        let is_quota = *code == FailureCode::PlatformRateLimited;
        let expected = if is_quota { Signal::OverDay } else { Signal::Answered };
        assert_eq!(told(Trouble::Final(*code)), Some(expected), "{code:?}");
    }
}

#[test]
fn pauses_between_probes_grow_and_a_success_closes() {
    let mut bench = Bench::open(Cause::Down);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let Next::Wait(pause, Cause::Down) = bench.next() else { panic!("{:?}", bench.next()) };
        bench.after(pause.saturating_sub(MILLISECOND));
        assert!(matches!(bench.next(), Next::Wait(_, Cause::Down)), "it is not over yet");
        bench.after(MILLISECOND);
        let Next::Call(ticket) = bench.next() else { panic!("nobody may try") };
        assert!(ticket.is_probe());
        assert!(matches!(bench.next(), Next::Wait(_, Cause::Down)), "one probe at a time");
        bench.told(ticket, Signal::Failed);
        pauses.push(pause);
    }
    assert!(pauses.is_sorted() && pauses[0] < pauses[3], "{pauses:?}");
    assert_eq!(pauses.last(), Some(&DOWN_LONGEST));
    let ticket = bench.probe();
    bench.told(ticket, Signal::Answered);
    assert_eq!(bench.next(), Next::Call(Ticket::PLAIN));
    assert!(!bench.state.is_in_use(), "nothing is left of it");
}

#[test]
fn a_probe_that_never_tells_lets_the_next_one_try() {
    let mut bench = Bench::open(Cause::Down);
    for _ in 0..3 {
        let ticket = bench.probe();
        assert!(ticket.is_probe());
        assert!(matches!(bench.next(), Next::Wait(..)));
        bench.state.gave_up(ticket);
    }
    assert!(matches!(bench.next(), Next::Call(_)));
}

#[test]
fn a_late_answer_shows_that_the_platform_is_back_but_says_nothing_of_a_quota() {
    for (cause, left) in [
        (Cause::Down, None),
        (Cause::MinuteQuota, Some(Cause::MinuteQuota)),
        (Cause::DayQuota, Some(Cause::DayQuota)),
    ] {
        let mut bench = Bench::open(cause);
        bench.told(Ticket::PLAIN, Signal::Answered);
        assert_eq!(bench.cause(), left);
    }
    // A late failure changes nothing.
    for cause in Cause::ALL {
        let mut bench = Bench::open(cause);
        let before = bench.state.open();
        bench.failed(20);
        assert_eq!(bench.state.open(), before);
    }
    // The probe of before is but a call like others when it comes back.
    let mut bench = Bench::open(Cause::Down);
    let old = bench.probe();
    bench.told(Ticket::PLAIN, Signal::Answered);
    bench.failed(1);
    bench.after(FAILING_LEAST).failed(FAILURES_MAX);
    let new = bench.probe();
    assert!(new.is_probe() && new != old);
    bench.told(old, Signal::Failed);
    bench.state.gave_up(old);
    assert!(matches!(bench.next(), Next::Wait(..)), "the new one is under way");
}

#[test]
fn what_nobody_asked_for_in_a_long_time_is_forgotten() {
    for cause in Cause::ALL {
        let mut bench = Bench::open(cause);
        let now = bench.after(Duration::from_mins(21)).now;
        bench.state.pass(now);
        assert!(!bench.state.is_in_use(), "{cause:?}");
    }
    let mut bench = Bench::open(Cause::Down);
    let ticket = bench.probe();
    let now = bench.after(Duration::from_hours(1)).now;
    bench.state.pass(now);
    assert!(matches!(bench.next(), Next::Wait(..)), "its probe is still under way");
    bench.state.gave_up(ticket);
    bench.state.pass(now);
    assert!(!bench.state.is_in_use());
}

//! Quotas: of a minute, and of a day.

use std::time::Duration;

use quhao_worker::circuit_breaker::{
    call_result::{Cause, Signal},
    state::{Next, OVER_QUOTA_WITHIN, Ticket},
};

use super::{Bench, INTO_MINUTE, MILLISECOND, job};

#[test]
fn one_jobs_minute_is_its_own_several_are_the_apps() {
    let mut bench = Bench::new();
    for _ in 0..50 {
        bench.told(Ticket::PLAIN, Signal::OverMinute(job(1)));
        bench.told(Ticket::PLAIN, Signal::OverMinute(job(2)));
        bench.after(Duration::from_millis(10));
    }
    assert_eq!(bench.cause(), None, "two jobs, however often");
    bench.after(OVER_QUOTA_WITHIN);
    for number in 0..9 {
        bench.after(OVER_QUOTA_WITHIN / 2);
        bench.told(Ticket::PLAIN, Signal::OverMinute(job(number)));
        assert_eq!(bench.cause(), None, "not within seconds");
    }
    bench.told(Ticket::PLAIN, Signal::OverMinute(job(9)));
    assert_eq!(bench.cause(), Some(Cause::MinuteQuota));
}

#[test]
fn the_minutes_quota_is_back_at_the_turn_of_the_minute() {
    let mut bench = Bench::open(Cause::MinuteQuota);
    let left = Duration::from_mins(1).saturating_sub(INTO_MINUTE);
    let Next::Wait(pause, Cause::MinuteQuota) = bench.next() else { panic!("held back") };
    assert!((left..left + Duration::from_secs(3)).contains(&pause) || pause.as_secs() == 13);
    bench.after(left.saturating_sub(MILLISECOND));
    assert!(matches!(bench.next(), Next::Wait(..)));
    bench.after(MILLISECOND);
    assert_eq!(bench.next(), Next::Call(Ticket::PLAIN), "all may go on");
    assert!(!bench.state.is_in_use());
}

#[test]
fn the_days_quota_is_not_waited_for_and_rarely_tried() {
    let mut bench = Bench::open(Cause::DayQuota);
    let mut probed = Vec::new();
    let begun = bench.now;
    while bench.now < begun + Duration::from_hours(24) {
        if let Next::Call(ticket) = bench.next() {
            probed.push(bench.now - begun);
            assert_eq!(bench.next(), Next::DoWithout(Cause::DayQuota));
            bench.told(ticket, Signal::OverDay);
        }
        bench.after(Duration::from_secs(1));
    }
    assert!(probed[0] >= Duration::from_mins(1), "{probed:?}");
    assert!((140..160).contains(&probed.len()), "{}", probed.len());
    let ticket = bench.probe();
    bench.told(ticket, Signal::Answered);
    assert_eq!(bench.next(), Next::Call(Ticket::PLAIN));
}

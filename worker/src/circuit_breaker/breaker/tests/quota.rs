//! Quotas: of a minute, and of a day.

use super::*;

#[test]
fn several_jobs_over_quota_make_it_the_apps() {
    let mut clocked = Clocked::new();
    for _ in 0..50 {
        clocked.record(None, CallResult::OverMinuteQuota(job(1)));
        clocked.record(None, CallResult::OverMinuteQuota(job(2)));
        clocked.advance(Duration::from_millis(10));
    }
    assert_eq!(clocked.cause(), None, "two jobs, however often");
    clocked.advance(OVER_QUOTA_WITHIN);
    for number in 0..9 {
        clocked.advance(OVER_QUOTA_WITHIN / 2);
        clocked.record(None, CallResult::OverMinuteQuota(job(number)));
        assert_eq!(clocked.cause(), None, "not within seconds");
    }
    clocked.record(None, CallResult::OverMinuteQuota(job(9)));
    assert_eq!(clocked.cause(), Some(Cause::MinuteQuota));
}

#[test]
fn the_minute_quota_is_back_with_the_next_minute() {
    let mut clocked = Clocked::opened(Cause::MinuteQuota);
    let left = Duration::from_mins(1).saturating_sub(INTO_MINUTE);
    let Admission::Wait { pause, cause: Cause::MinuteQuota } = clocked.admit() else {
        panic!("{:?}", clocked.admit())
    };
    assert!((left..left + Duration::from_secs(3)).contains(&pause) || pause.as_secs() == 13);
    clocked.advance(left.saturating_sub(MILLISECOND));
    assert!(matches!(clocked.admit(), Admission::Wait { .. }));
    clocked.advance(MILLISECOND);
    assert_eq!(clocked.admit(), Admission::Call(None), "all may go on");
    assert!(!clocked.breaker.is_in_use());
}

#[test]
fn the_day_quota_is_rarely_probed() {
    let mut clocked = Clocked::opened(Cause::DayQuota);
    let mut probed_after = Vec::new();
    let opened_at = clocked.now;
    while clocked.now < opened_at + Duration::from_hours(24) {
        if let Admission::Call(probe) = clocked.admit() {
            probed_after.push(clocked.now - opened_at);
            assert_eq!(clocked.admit(), Admission::GiveUp { cause: Cause::DayQuota });
            clocked.record(probe, CallResult::OverDayQuota);
        }
        clocked.advance(Duration::from_secs(1));
    }
    assert!(probed_after[0] >= Duration::from_mins(1), "{probed_after:?}");
    assert!((140..160).contains(&probed_after.len()), "{}", probed_after.len());
    let probe = clocked.next_probe();
    clocked.record(Some(probe), CallResult::Answered);
    assert_eq!(clocked.admit(), Admission::Call(None));
}

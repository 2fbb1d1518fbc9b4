use super::*;
use crate::admission::{
    fleet::Fleet,
    throughput::{RECENT, SAMPLE_TTL},
};

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn sample(at: Instant, jobs: u32, waited: Duration) -> ObservedThroughput {
    ObservedThroughput { at, throughput: Throughput { jobs, waited, worked: 100 * MS } }
}

/// Returns the share of the capacity that was used in time, and the share of the accepted jobs
/// that were late.
fn shares(fleet: &mut Fleet, load: f64, time: Duration) -> (f64, f64) {
    let capacity = fleet.capacity();
    let counts = fleet.run(load * capacity, time);
    let used = f64::from(counts.in_time) / (capacity * time.as_secs_f64());
    let late = f64::from(counts.late) / f64::from(counts.in_time + counts.late);
    (used, late)
}

#[test]
fn every_job_is_admitted_without_reports() {
    let now = Instant::now();
    let mut estimate = Estimate::default();
    assert_eq!(estimate.expected(now), None);
    assert_eq!(estimate.admit(now, S), Ok(()));
    estimate.add_depth(now, estimate.totals(), 1_000_000);
    assert_eq!(estimate.admit(now, S), Ok(()), "a depth alone says nothing of the speed");
}

#[test]
fn sustainable_load_is_never_refused() {
    for (slots, service) in [(8, 100 * MS), (64, 2 * S), (1, 50 * MS)] {
        let mut fleet = Fleet::new(2, slots, service, 10 * S);
        let counts = fleet.run(0.9 * fleet.capacity(), 60 * S);
        assert_eq!((counts.refused, counts.late), (0, 0), "{slots} {service:?}");
    }
}

#[test]
fn triple_load_fills_the_capacity_with_few_late() {
    for producers in [1, 3] {
        for (slots, service, life) in [
            (8, 100 * MS, 5 * S),
            (8, 100 * MS, 2 * S),
            (64, 100 * MS, 30 * S),
            (32, 2 * S, 30 * S),
        ] {
            let mut fleet = Fleet::new(producers, slots, service, life);
            fleet.run(0.3 * fleet.capacity(), 10 * S);
            let case = format!("{producers} producers, {slots} slots, {service:?}, {life:?}");
            let (_, ramp) = shares(&mut fleet, 3.0, life + 5 * S);
            let (used, late) = shares(&mut fleet, 3.0, 30 * S);
            assert!(used > 0.95 && late < 0.01 && ramp < 0.05, "{case}: {used} {late} {ramp}");
        }
    }
}

#[test]
fn tenfold_load_fills_the_capacity() {
    let mut fleet = Fleet::new(3, 8, 100 * MS, 5 * S);
    fleet.run(fleet.capacity() / 2.0, 10 * S);
    shares(&mut fleet, 10.0, 10 * S);
    let (used, late) = shares(&mut fleet, 10.0, 60 * S);
    assert!(used > 0.95 && late < 0.05, "{used} {late}");
}

#[test]
fn triple_load_on_a_slow_platform_fills_it() {
    let mut fleet = Fleet::new(2, 64, 10 * S, 60 * S);
    fleet.run(0.3 * fleet.capacity(), 30 * S);
    // The first jobs of many are reported after ten seconds.
    fleet.run(3.0 * fleet.capacity(), 120 * S);
    let (used, late) = shares(&mut fleet, 3.0, 90 * S);
    // Some take five seconds and others fifteen, which cannot be foreseen.
    assert!(used > 0.9 && late < 0.08, "{used} {late}");
}

#[test]
fn estimate_follows_a_change_of_speed() {
    let mut fleet = Fleet::new(2, 16, 100 * MS, 10 * S);
    shares(&mut fleet, 2.0, 30 * S);
    fleet.service = 200 * MS;
    fleet.run(3.0 * fleet.capacity(), 20 * S);
    let (used, late) = shares(&mut fleet, 3.0, 30 * S);
    assert!(used > 0.95 && late < 0.02, "slower: {used} {late}");
    fleet.service = 50 * MS;
    fleet.run(3.0 * fleet.capacity(), 10 * S);
    let (used, late) = shares(&mut fleet, 3.0, 30 * S);
    assert!(used > 0.95 && late < 0.02, "faster: {used} {late}");
}

#[test]
fn feasible_burst_on_an_idle_system_is_admitted() {
    for producers in [1, 3] {
        let mut fleet = Fleet::new(producers, 8, 100 * MS, 10 * S);
        fleet.run(1.0, 20 * S);
        // 80 a second can be done: these take six seconds.
        for _ in 0..480 {
            fleet.submit();
        }
        let counts = fleet.run(1.0, 20 * S);
        assert_eq!((counts.refused, counts.late, fleet.counts.refused), (0, 0, 0));
    }
}

#[test]
fn jobs_are_admitted_again_after_an_overload() {
    let mut fleet = Fleet::new(2, 8, 100 * MS, 5 * S);
    fleet.run(3.0 * fleet.capacity(), 30 * S);
    let counts = fleet.run(0.5 * fleet.capacity(), 2 * S);
    assert!(counts.refused < 60, "{counts:?}");
    let counts = fleet.run(0.5 * fleet.capacity(), 20 * S);
    assert_eq!((counts.refused, counts.late), (0, 0));
}

#[test]
fn silent_workers_block_admission_only_briefly() {
    let mut fleet = Fleet::new(1, 8, 100 * MS, 5 * S);
    fleet.run(3.0 * fleet.capacity(), 20 * S);
    fleet.slots = 0;
    fleet.run(10.0, SAMPLE_TTL + S);
    let counts = fleet.run(10.0, S);
    assert_eq!(counts.refused, 0);
}

#[test]
fn each_deadline_has_its_own_thresholds() {
    let start = Instant::now();
    let mut estimate = Estimate::default();
    let admits = |estimate: &mut Estimate, now, seconds: f64| {
        estimate.admit(now, Duration::from_secs_f64(seconds)).is_ok()
    };
    // Without a depth, the reported wait is what is expected.
    estimate.add(sample(start, 1, 6_900 * MS));
    assert!(!admits(&mut estimate, start, 8.0) && admits(&mut estimate, start, 8.5));
    assert!(admits(&mut estimate, start, 290.0) && !admits(&mut estimate, start, 8.0));
    // Down to six seconds: between the thresholds, jobs that were refused still are.
    let later = start + RECENT + MS;
    estimate.add(sample(later, 1, 5_900 * MS));
    assert!(!admits(&mut estimate, later, 8.0) && admits(&mut estimate, later, 8.6));
    let later = later + RECENT + MS;
    estimate.add(sample(later, 1, 5_500 * MS));
    assert!(admits(&mut estimate, later, 8.05));
    // Up again: jobs that were admitted still are.
    let later = later + RECENT + MS;
    estimate.add(sample(later, 1, 6_600 * MS));
    assert!(admits(&mut estimate, later, 8.0) && !admits(&mut estimate, later, 7.8));
}

#[test]
fn refusal_says_when_to_try_again() {
    let now = Instant::now();
    let mut estimate = Estimate::default();
    estimate.add(sample(now, 1, 19_900 * MS));
    assert_eq!(estimate.admit(now, 10 * S), Err(13 * S));
    // By then there is room, if no other job takes it.
    let later = now + 3 * S;
    assert_eq!(estimate.admit(later, 10 * S), Err(10 * S));
}

#[test]
fn clock_skew_is_harmless_while_the_queue_is_empty() {
    let start = Instant::now();
    let mut estimate = Estimate::default();
    for second in 0..20 {
        let now = start + second * S;
        estimate.add(sample(now, 1, 4 * S));
        estimate.add_depth(now, estimate.totals(), 0);
        assert_eq!(estimate.admit(now, 2 * S), Ok(()));
    }
}

#[test]
fn reports_before_a_gap_are_forgotten() {
    let now = Instant::now();
    let mut estimate = Estimate::default();
    estimate.add(sample(now, 100, 60 * S));
    assert!(estimate.admit(now, 10 * S).is_err());
    estimate.forget();
    assert_eq!(estimate.admit(now, 10 * S), Ok(()));
}

#[test]
fn samples_are_bounded_by_time() {
    let start = Instant::now();
    let mut estimate = Estimate::default();
    for number in 0..100_000 {
        estimate.add(sample(start + number * MS, 1, S));
    }
    assert!(estimate.throughput.len() <= 51, "{}", estimate.throughput.len());
}

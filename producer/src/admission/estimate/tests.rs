use super::{fleet::Fleet, *};

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn heard(at: Instant, jobs: u32, waited: Duration) -> ObservedThroughput {
    ObservedThroughput { at, throughput: Throughput { jobs, waited, worked: 100 * MS } }
}

/// Share of the capacity that was used in time, and share of the accepted that were late.
fn shares(fleet: &mut Fleet, load: f64, time: Duration) -> (f64, f64) {
    let capacity = fleet.capacity();
    let counts = fleet.run(load * capacity, time);
    let used = f64::from(counts.in_time) / (capacity * time.as_secs_f64());
    let late = f64::from(counts.late) / f64::from(counts.in_time + counts.late);
    (used, late)
}

#[test]
fn nothing_heard_takes_everything() {
    let (now, mut estimate) = (Instant::now(), Estimate::default());
    assert_eq!(estimate.expected(now), None);
    assert_eq!(estimate.judge(now, S), Ok(()));
    estimate.measure(now, estimate.marks(), 1_000_000);
    assert_eq!(estimate.judge(now, S), Ok(()), "a depth alone tells of no speed");
}

#[test]
fn a_load_that_can_be_borne_is_never_refused() {
    for (slots, service) in [(8, 100 * MS), (64, 2 * S), (1, 50 * MS)] {
        let mut fleet = Fleet::new(2, slots, service, 10 * S);
        let counts = fleet.run(0.9 * fleet.capacity(), 60 * S);
        assert_eq!((counts.refused, counts.late), (0, 0), "{slots} {service:?}");
    }
}

#[test]
fn three_times_the_capacity_fills_it_and_few_come_late() {
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
fn ten_times_the_capacity_fills_it_too() {
    let mut fleet = Fleet::new(3, 8, 100 * MS, 5 * S);
    fleet.run(fleet.capacity() / 2.0, 10 * S);
    shares(&mut fleet, 10.0, 10 * S);
    let (used, late) = shares(&mut fleet, 10.0, 60 * S);
    assert!(used > 0.95 && late < 0.05, "{used} {late}");
}

#[test]
fn so_it_does_while_the_platform_is_slow() {
    let mut fleet = Fleet::new(2, 64, 10 * S, 60 * S);
    fleet.run(0.3 * fleet.capacity(), 30 * S);
    // Nothing is heard of the first of many for ten seconds.
    fleet.run(3.0 * fleet.capacity(), 120 * S);
    let (used, late) = shares(&mut fleet, 3.0, 90 * S);
    // It takes five seconds for some and fifteen for others, which nobody can foresee.
    assert!(used > 0.9 && late < 0.08, "{used} {late}");
}

#[test]
fn what_the_workers_can_do_may_change() {
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
fn a_burst_on_an_idle_system_is_taken_if_it_can_be_done() {
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
fn after_the_rush_everybody_is_taken_again_at_once() {
    let mut fleet = Fleet::new(2, 8, 100 * MS, 5 * S);
    fleet.run(3.0 * fleet.capacity(), 30 * S);
    let counts = fleet.run(0.5 * fleet.capacity(), 2 * S);
    assert!(counts.refused < 60, "{counts:?}");
    let counts = fleet.run(0.5 * fleet.capacity(), 20 * S);
    assert_eq!((counts.refused, counts.late), (0, 0));
}

#[test]
fn workers_that_fall_silent_close_nothing_for_long() {
    let mut fleet = Fleet::new(1, 8, 100 * MS, 5 * S);
    fleet.run(3.0 * fleet.capacity(), 20 * S);
    fleet.slots = 0;
    fleet.run(10.0, HEARD_COUNTS + S);
    let counts = fleet.run(10.0, S);
    assert_eq!(counts.refused, 0);
}

#[test]
fn each_life_is_judged_by_its_own_thresholds() {
    let (start, mut estimate) = (Instant::now(), Estimate::default());
    let judge = |estimate: &mut Estimate, now, seconds: f64| {
        estimate.judge(now, Duration::from_secs_f64(seconds)).is_ok()
    };
    // No depth: what was heard is what is expected.
    estimate.hear(heard(start, 1, 6_900 * MS));
    assert!(!judge(&mut estimate, start, 8.0) && judge(&mut estimate, start, 8.5));
    assert!(judge(&mut estimate, start, 290.0) && !judge(&mut estimate, start, 8.0));
    // Down to six seconds: between the thresholds, whoever was refused still is.
    let later = start + LATELY + MS;
    estimate.hear(heard(later, 1, 5_900 * MS));
    assert!(!judge(&mut estimate, later, 8.0) && judge(&mut estimate, later, 8.6));
    let later = later + LATELY + MS;
    estimate.hear(heard(later, 1, 5_500 * MS));
    assert!(judge(&mut estimate, later, 8.05));
    // Up again: whoever was taken still is.
    let later = later + LATELY + MS;
    estimate.hear(heard(later, 1, 6_600 * MS));
    assert!(judge(&mut estimate, later, 8.0) && !judge(&mut estimate, later, 7.8));
}

#[test]
fn whoever_is_turned_away_hears_when_it_would_do() {
    let (now, mut estimate) = (Instant::now(), Estimate::default());
    estimate.hear(heard(now, 1, 19_900 * MS));
    assert_eq!(estimate.judge(now, 10 * S), Err(13 * S));
    // Then there is room, if nobody else takes it.
    let later = now + 3 * S;
    assert_eq!(estimate.judge(later, 10 * S), Err(10 * S));
}

#[test]
fn clocks_that_disagree_close_nothing_while_the_queue_is_empty() {
    let (start, mut estimate) = (Instant::now(), Estimate::default());
    for second in 0..20 {
        let now = start + second * S;
        estimate.hear(heard(now, 1, 4 * S));
        estimate.measure(now, estimate.marks(), 0);
        assert_eq!(estimate.judge(now, 2 * S), Ok(()));
    }
}

#[test]
fn what_may_have_been_missed_counts_for_nothing() {
    let (now, mut estimate) = (Instant::now(), Estimate::default());
    estimate.hear(heard(now, 100, 60 * S));
    assert!(estimate.judge(now, 10 * S).is_err());
    estimate.forget();
    assert_eq!(estimate.judge(now, 10 * S), Ok(()));
}

#[test]
fn memory_is_bounded_by_time() {
    let (start, mut estimate) = (Instant::now(), Estimate::default());
    for number in 0..100_000 {
        estimate.hear(heard(start + number * MS, 1, S));
    }
    assert!(estimate.slices.len() <= 51, "{}", estimate.slices.len());
}

//! Quarantine: jobs beside a poison job finish before they are dead-lettered with it.

use std::ops::Range;

use proptest::prelude::*;
use quhao_backend::queue::DeadLetterReason;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

fn keys(count: Range<usize>) -> impl Strategy<Value = Vec<JobKey>> {
    prop::collection::hash_set(any::<[u8; 16]>(), count)
        .prop_map(|keys| keys.into_iter().map(JobKey::from_bytes).collect())
}

/// Simulates `crashes` workers, each of which runs the jobs in their order until a poison job
/// crashes it. All jobs are there from the first crash on. Returns those that are left.
fn left_after(crashes: u32, keys: &[JobKey], is_poison: impl Fn(JobKey) -> bool) -> Vec<JobKey> {
    let mut left = keys.to_vec();
    for unsettled in QUARANTINE_AFTER..QUARANTINE_AFTER + crashes {
        left.sort_by_key(|key| order(*key, unsettled));
        let poison = left.iter().position(|key| is_poison(*key)).unwrap_or(left.len());
        // The poison job starts when this many of those before it have finished.
        let finished =
            (0..=poison).find(|done| done + concurrency_after(*done) > poison).unwrap_or(poison);
        left.drain(..finished);
    }
    left
}

/// The delivery limit is twenty. There are three poison jobs, and each crash is caused by one.
#[test]
fn neighbours_of_a_few_poison_jobs_finish() {
    let mut rng = StdRng::seed_from_u64(20);
    let mut neighbours = 0;
    let mut left_neighbours = 0;
    for _ in 0..200 {
        let keys: Vec<_> = (0..60).map(|_| JobKey::from_bytes(rng.random())).collect();
        let left = left_after(17, &keys, |key| keys[..3].contains(&key));
        neighbours += keys.len() - 3;
        left_neighbours += left.len() - 3;
    }
    // By chance each goes before all three in one of four times: (3/4)^17 never does.
    assert!(left_neighbours * 50 < neighbours, "{left_neighbours} of {neighbours}");
}

proptest! {
    #[test]
    fn few_neighbours_finish_within_two_crashes(
        keys in keys(1..9), at in any::<prop::sample::Index>(),
    ) {
        let poison = keys[at.index(keys.len())];
        prop_assert_eq!(left_after(2, &keys, |key| key == poison), vec![poison]);
    }

    /// A crash also interrupts some jobs that were started beside the poison job.
    #[test]
    fn most_of_many_neighbours_finish_within_two_crashes(
        keys in keys(9..300), at in any::<prop::sample::Index>(),
    ) {
        let poison = keys[at.index(keys.len())];
        let left = left_after(2, &keys, |key| key == poison);
        prop_assert!(left.contains(&poison));
        prop_assert!((left.len() - 1) * 8 <= keys.len(), "{} of {}", left.len(), keys.len());
    }

    #[test]
    fn harmless_jobs_soon_run_at_full_concurrency(count in 1..2000_usize) {
        let mut done = 0;
        let mut rounds = 0;
        while done < count {
            done += concurrency_after(done).min(count - done);
            rounds += 1;
        }
        prop_assert!(rounds <= 60, "{rounds} times as long as one job for {count}");
    }

    #[test]
    fn quarantine_runs_least_redelivered_first(
        keys in keys(1..300), fewer in 0..40_u32, more in 1..40_u32,
    ) {
        for pair in keys.windows(2) {
            prop_assert!(order(pair[0], fewer) < order(pair[1], fewer + more));
        }
    }

    #[test]
    fn only_jobs_are_quarantined(unsettled in 0..9_u32) {
        prop_assert_eq!(is_quarantined(Lane::Jobs { unsettled }), unsettled >= QUARANTINE_AFTER);
        prop_assert!(!is_quarantined(Lane::Outcomes));
        prop_assert!(!is_quarantined(Lane::DeadLetters(DeadLetterReason::DeliveryLimit)));
    }
}

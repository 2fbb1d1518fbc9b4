//! Suspects: whoever is to blame, its neighbours are done before they are blamed with it.

use std::ops::Range;

use proptest::prelude::*;
use quhao_backend::queue::{DeadLetterReason, Lane};
use quhao_common::domain::id::JobKey;
use quhao_worker::consumer::quarantine::{
    QUARANTINE_AFTER, concurrency_after, is_quarantined, order,
};
use rand::{Rng, SeedableRng, rngs::StdRng};

fn keys(count: Range<usize>) -> impl Strategy<Value = Vec<JobKey>> {
    prop::collection::hash_set(any::<[u8; 16]>(), count)
        .prop_map(|keys| keys.into_iter().map(JobKey::from_bytes).collect())
}

/// Workers that begin, work on what is there in its turns and end with a culprit, `crashes`
/// times. Everything was there from the first crash on. What is left.
fn left_after(crashes: u32, keys: &[JobKey], is_culprit: impl Fn(JobKey) -> bool) -> Vec<JobKey> {
    let mut left = keys.to_vec();
    for unsettled in QUARANTINE_AFTER..QUARANTINE_AFTER + crashes {
        left.sort_by_key(|key| order(*key, unsettled));
        let culprit = left.iter().position(|key| is_culprit(*key)).unwrap_or(left.len());
        // It begins with so many of those before it.
        let with =
            (0..=culprit).find(|done| done + concurrency_after(*done) > culprit).unwrap_or(culprit);
        left.drain(..with);
    }
    left
}

/// The delivery limit is twenty. Three culprits at once, and each crash is one's.
#[test]
fn a_few_culprits_leave_their_neighbours_time() {
    let mut rng = StdRng::seed_from_u64(20);
    let (mut neighbours, mut blamed) = (0, 0);
    for _ in 0..200 {
        let keys: Vec<_> = (0..60).map(|_| JobKey::from_bytes(rng.random())).collect();
        let left = left_after(17, &keys, |key| keys[..3].contains(&key));
        neighbours += keys.len() - 3;
        blamed += left.len() - 3;
    }
    // By chance each goes before all three in one of four times: (3/4)^17 never does.
    assert!(blamed * 50 < neighbours, "{blamed} of {neighbours}");
}

proptest! {
    #[test]
    fn the_few_neighbours_of_one_culprit_are_done_after_two_crashes(
        keys in keys(1..9), at in any::<prop::sample::Index>(),
    ) {
        let culprit = keys[at.index(keys.len())];
        prop_assert_eq!(left_after(2, &keys, |key| key == culprit), vec![culprit]);
    }

    /// A crash takes some of those along that were begun beside the culprit.
    #[test]
    fn of_many_neighbours_few_are_left_after_two_crashes(
        keys in keys(9..300), at in any::<prop::sample::Index>(),
    ) {
        let culprit = keys[at.index(keys.len())];
        let left = left_after(2, &keys, |key| key == culprit);
        prop_assert!(left.contains(&culprit));
        prop_assert!((left.len() - 1) * 8 <= keys.len(), "{} of {}", left.len(), keys.len());
    }

    #[test]
    fn those_that_do_no_harm_soon_go_as_fast_as_all_others(count in 1..2000_usize) {
        let (mut done, mut rounds) = (0, 0);
        while done < count {
            done += concurrency_after(done).min(count - done);
            rounds += 1;
        }
        prop_assert!(rounds <= 60, "{rounds} times as long as one job for {count}");
    }

    #[test]
    fn who_was_there_less_often_goes_first(
        keys in keys(1..300), fewer in 0..40_u32, more in 1..40_u32) {
        for pair in keys.windows(2) {
            prop_assert!(order(pair[0], fewer) < order(pair[1], fewer + more));
        }
    }

    #[test]
    fn only_jobs_are_suspect(unsettled in 0..9_u32) {
        prop_assert_eq!(is_quarantined(Lane::Jobs { unsettled }), unsettled >= QUARANTINE_AFTER);
        prop_assert!(!is_quarantined(Lane::Outcomes));
        prop_assert!(!is_quarantined(Lane::DeadLetters(DeadLetterReason::DeliveryLimit)));
    }
}

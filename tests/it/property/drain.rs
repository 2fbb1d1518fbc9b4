//! The end of a worker that cannot commit: it tries, and has time left to hand over.

use std::time::Duration;

use proptest::prelude::*;
use quhao_worker::{drain::DrainState, writer::batch_size::BatchSize};

fn moments() -> impl Strategy<Value = DrainState> {
    (10..600_000_u64, 0.0..1.2_f64, any::<bool>(), any::<bool>()).prop_map(
        |(limit_ms, part, store_was_lost, can_hand_over)| {
            let limit = Duration::from_millis(limit_ms);
            DrainState { limit, elapsed: limit.mul_f64(part), store_was_lost, can_hand_over }
        },
    )
}

proptest! {
    #[test]
    fn there_is_time_to_try_and_time_to_hand_over(moment in moments()) {
        let (limit, elapsed) = (moment.limit, moment.elapsed);
        let end = moment.gives_up_at();
        prop_assert!(end >= elapsed);
        prop_assert!(end <= limit.max(elapsed));
        let left = limit.saturating_sub(elapsed);
        if moment.can_hand_over {
            let rest = limit.max(elapsed).saturating_sub(end);
            prop_assert!(rest >= left / 2, "half of it is for handing over");
        } else {
            prop_assert_eq!(end, elapsed + left, "nobody else can have it");
        }
    }

    #[test]
    fn a_store_that_was_lost_is_not_waited_for(moment in moments()) {
        let lost = DrainState { store_was_lost: true, can_hand_over: true, ..moment };
        let kept = DrainState { store_was_lost: false, can_hand_over: true, ..moment };
        prop_assert!(lost.gives_up_at() <= kept.gives_up_at());
        prop_assert!(lost.gives_up_at() <= lost.elapsed + Duration::from_secs(2));
    }

    /// A store that takes `takes` rows in time and no more.
    #[test]
    fn a_slow_store_gets_what_it_can_take(max in 1..2000_usize, takes in 1..2000_usize) {
        let mut size = BatchSize::new(max);
        let (mut rows, mut tries) = (5000, 0);
        while rows > 0 {
            let part = size.now().min(rows);
            prop_assert!((1..=max).contains(&part));
            if part <= takes {
                rows -= part;
                size.committed(part);
            } else {
                size.timed_out(part);
            }
            tries += 1;
        }
        // Each time that it grows too large costs one try.
        let parts = 5000 / takes.min(max) + 1;
        prop_assert!(tries <= 4 * parts + 24, "{tries} tries for {parts} parts");
    }
}

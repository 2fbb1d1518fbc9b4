//! A worker that ends and cannot commit tries, and has time left to hand over.

use proptest::prelude::*;

use super::*;

fn states() -> impl Strategy<Value = DrainState> {
    (10..600_000_u64, 0.0..1.2_f64, any::<bool>(), any::<bool>()).prop_map(
        |(limit_ms, part, store_was_lost, can_hand_over)| {
            let limit = Duration::from_millis(limit_ms);
            DrainState { limit, elapsed: limit.mul_f64(part), store_was_lost, can_hand_over }
        },
    )
}

proptest! {
    #[test]
    fn there_is_time_to_try_and_time_to_hand_over(state in states()) {
        let DrainState { limit, elapsed, .. } = state;
        let end = state.gives_up_at();
        prop_assert!(end >= elapsed);
        prop_assert!(end <= limit.max(elapsed));
        let left = limit.saturating_sub(elapsed);
        if state.can_hand_over {
            let rest = limit.max(elapsed).saturating_sub(end);
            prop_assert!(rest >= left / 2, "half of it is for handing over");
        } else {
            prop_assert_eq!(end, elapsed + left, "nobody else can have it");
        }
    }

    #[test]
    fn a_lost_store_is_tried_for_a_short_time(state in states()) {
        let lost = DrainState { store_was_lost: true, can_hand_over: true, ..state };
        let kept = DrainState { store_was_lost: false, can_hand_over: true, ..state };
        prop_assert!(lost.gives_up_at() <= kept.gives_up_at());
        prop_assert!(lost.gives_up_at() <= lost.elapsed + Duration::from_secs(2));
    }
}

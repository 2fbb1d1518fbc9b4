//! One slow receiver leaves room for others.

use proptest::prelude::*;
use quhao_common::domain::app::ClientName;
use quhao_worker::callback::share::Share;

fn clients() -> Vec<ClientName> {
    ["a", "b", "c"].iter().map(|name| ClientName::new(name).unwrap()).collect()
}

proptest! {
    /// Clients with endless callbacks claim in any order; nothing ever ends.
    #[test]
    fn no_client_has_more_than_half(
        concurrency in 4..200_usize, order in prop::collection::vec(0..3_usize, 1..400),
    ) {
        let (clients, mut share) = (clients(), Share::new(concurrency));
        let mut counts = [0_usize; 3];
        for at in order {
            let max = share.claim_max();
            prop_assert!(max <= concurrency - share.total());
            if max == 0 || share.busy().contains(&clients[at]) {
                continue;
            }
            for _ in 0..max {
                share.enter(&clients[at]);
            }
            counts[at] += max;
            prop_assert!(counts[at] * 2 <= concurrency, "{counts:?} of {concurrency}");
        }
        prop_assert_eq!(share.total(), counts.iter().sum::<usize>());
    }

    /// What has ended leaves room again, whatever the order.
    #[test]
    fn what_ends_leaves_room(concurrency in 1..50_usize, enters in 1..50_usize) {
        let (clients, mut share) = (clients(), Share::new(concurrency));
        for at in 0..enters {
            share.enter(&clients[at % 3]);
        }
        for at in 0..enters {
            share.leave(&clients[at % 3]);
        }
        prop_assert_eq!(share.total(), 0);
        prop_assert!(share.busy().is_empty());
        prop_assert!(share.claim_max() >= 1);
    }
}

#[test]
fn even_the_smallest_worker_sends() {
    for concurrency in 1..4 {
        let (client, mut share) = (&clients()[0], Share::new(concurrency));
        assert_eq!(share.claim_max(), 1);
        share.enter(client);
        assert_eq!(share.busy(), std::slice::from_ref(client));
        assert_eq!(share.claim_max(), usize::from(concurrency > 1));
    }
}

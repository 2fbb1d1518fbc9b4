//! At most a share for each client of something that all clients use, so that one client
//! leaves room for the others. Pure.

use std::collections::HashMap;

use crate::domain::client::ClientName;

/// Units of a bounded capacity that are in use, counted by client.
#[derive(Debug)]
pub struct PerClientShare {
    capacity: usize,
    client_max: usize,
    in_use: usize,
    /// Clients with nothing in use have no entry.
    by_client: HashMap<ClientName, usize>,
}

impl PerClientShare {
    /// Creates a capacity with nothing in use, of which one client may have `1 / parts`, but
    /// one unit at least.
    pub fn new(capacity: usize, parts: usize) -> Self {
        let client_max = (capacity / parts).max(1);
        Self { capacity, client_max, in_use: 0, by_client: HashMap::new() }
    }

    /// Returns how many units there are.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns how many units one client may have.
    pub fn client_max(&self) -> usize {
        self.client_max
    }

    /// Returns how many units are in use.
    pub fn in_use(&self) -> usize {
        self.in_use
    }

    /// Returns how many units `client` has in use.
    pub fn in_use_by(&self, client: &ClientName) -> usize {
        self.by_client.get(client).copied().unwrap_or(0)
    }

    /// Returns how many units may be handed out at once without asking who gets them: those
    /// that are free, but one client's share at most. A client that is not among
    /// [`PerClientShare::full_clients`] then has less than two shares.
    pub fn batch_max(&self) -> usize {
        self.capacity.saturating_sub(self.in_use).min(self.client_max)
    }

    /// Returns the clients that have their whole share in use.
    pub fn full_clients(&self) -> Vec<ClientName> {
        let full = self.by_client.iter().filter(|(_, count)| **count >= self.client_max);
        full.map(|(client, _)| client.clone()).collect()
    }

    /// Counts a unit that `client` has taken.
    pub fn take(&mut self, client: &ClientName) {
        self.in_use += 1;
        *self.by_client.entry(client.clone()).or_default() += 1;
    }

    /// Counts a unit that `client` has returned.
    pub fn put_back(&mut self, client: &ClientName) {
        self.in_use = self.in_use.saturating_sub(1);
        if let Some(count) = self.by_client.get_mut(client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_client.remove(client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARTS: usize = 4;

    fn clients() -> Vec<ClientName> {
        ["a", "b", "c"].iter().map(|name| ClientName::new(name).expect("a name")).collect()
    }

    proptest! {
        /// Clients with endless work take batches in any order; nothing is ever put back.
        #[test]
        fn no_client_has_more_than_two_shares(
            capacity in 4..200_usize, order in prop::collection::vec(0..3_usize, 1..400),
        ) {
            let clients = clients();
            let mut share = PerClientShare::new(capacity, PARTS);
            let mut counts = [0_usize; 3];
            for at in order {
                let max = share.batch_max();
                prop_assert!(max <= capacity - share.in_use());
                if max == 0 || share.full_clients().contains(&clients[at]) {
                    continue;
                }
                for _ in 0..max {
                    share.take(&clients[at]);
                }
                counts[at] += max;
                prop_assert_eq!(counts[at], share.in_use_by(&clients[at]));
                prop_assert!(counts[at] * 2 <= capacity, "{counts:?} of {capacity}");
            }
            prop_assert_eq!(share.in_use(), counts.iter().sum::<usize>());
        }

        #[test]
        fn what_is_put_back_is_free_again(capacity in 1..50_usize, units in 1..50_usize) {
            let clients = clients();
            let mut share = PerClientShare::new(capacity, PARTS);
            for at in 0..units {
                share.take(&clients[at % 3]);
            }
            for at in 0..units {
                share.put_back(&clients[at % 3]);
            }
            prop_assert_eq!(share.in_use(), 0);
            prop_assert!(share.by_client.is_empty());
            prop_assert!(share.full_clients().is_empty());
            prop_assert!(share.batch_max() >= 1);
        }
    }

    #[test]
    fn smallest_capacity_has_a_share() {
        for capacity in 1..4 {
            let client = &clients()[0];
            let mut share = PerClientShare::new(capacity, PARTS);
            assert_eq!(share.batch_max(), 1);
            share.take(client);
            assert_eq!(share.full_clients(), std::slice::from_ref(client));
            assert_eq!(share.batch_max(), usize::from(capacity > 1));
        }
    }
}

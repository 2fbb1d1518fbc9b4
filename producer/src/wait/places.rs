//! The places of requests that wait: how many are taken, and by whom.

use std::collections::HashMap;

use quhao_common::{domain::app::ClientName, process::metrics};

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    taken: usize,
    /// A client without any is not in here.
    of_client: HashMap<ClientName, usize>,
}

impl Places {
    pub(super) fn new(max: usize) -> Self {
        Self { max, taken: 0, of_client: HashMap::new() }
    }

    /// Takes one for `client`, or says that there is none: where others may want some too, a
    /// client has half of them at most.
    pub(super) fn take(&mut self, client: &ClientName, others: bool) -> bool {
        let share = if others { (self.max / 2).max(1) } else { self.max };
        let has = self.of_client.get(client).copied().unwrap_or(0);
        if self.taken >= self.max || has >= share {
            return false;
        }
        self.taken += 1;
        self.of_client.insert(client.clone(), has + 1);
        metrics::waiters(self.taken);
        true
    }

    /// Gives one back.
    pub(super) fn leave(&mut self, client: &ClientName) {
        self.taken -= 1;
        metrics::waiters(self.taken);
        if let Some(has) = self.of_client.get_mut(client) {
            *has -= 1;
            if *has == 0 {
                self.of_client.remove(client);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.taken == 0 && self.of_client.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(name: &str) -> ClientName {
        ClientName::new(name).expect("a name")
    }

    /// How many places a client gets when it asks without end.
    fn taken(places: &mut Places, name: &str, others: bool) -> usize {
        (0..100).take_while(|_| places.take(&client(name), others)).count()
    }

    #[test]
    fn one_of_several_clients_has_half_at_most() {
        for (max, first, second) in [(0, 0, 0), (1, 1, 0), (2, 1, 1), (3, 1, 1), (10, 5, 5)] {
            let mut places = Places::new(max);
            assert_eq!(taken(&mut places, "a", true), first, "{max}");
            assert_eq!(taken(&mut places, "b", true), second, "{max}");
        }
        assert_eq!(taken(&mut Places::new(10), "a", false), 10, "nobody else wants any");
    }

    #[test]
    fn a_place_that_was_left_is_free_and_who_left_leaves_nothing_behind() {
        let mut places = Places::new(2);
        let (a, b) = (client("a"), client("b"));
        assert!(places.take(&a, true) && !places.take(&a, true) && places.take(&b, true));
        places.leave(&a);
        assert!(places.take(&a, true));
        // The configuration has changed, and what was taken before counts.
        assert!(!places.take(&a, false), "all are taken");
        places.leave(&b);
        assert!(places.take(&a, false));
        places.leave(&a);
        places.leave(&a);
        assert!(places.is_empty());
    }
}

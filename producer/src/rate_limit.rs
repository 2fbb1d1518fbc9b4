//! How fast each client may submit and erase at this producer.
//!
//! There is one limiter for each client that has a rate, by name: what a client has used up
//! stays used up when the configuration is read again.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    state::{InMemoryState, NotKeyed},
};
use quhao_common::domain::{
    client::{Client, ClientName, Rate},
    directory::Directory,
};

type Limiter = RateLimiter<NotKeyed, InMemoryState, MonotonicClock>;

/// What every client has used up of its rate.
#[derive(Debug, Default)]
pub(crate) struct RateLimits {
    clock: MonotonicClock,
    by_client: Mutex<HashMap<ClientName, ClientLimit>>,
}

/// What one client has used up of the rate that it was created with.
#[derive(Debug)]
struct ClientLimit {
    rate: Rate,
    limiter: Limiter,
}

impl ClientLimit {
    /// Creates the limit of a client that has used up nothing.
    fn new(rate: Rate, clock: MonotonicClock) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Self { rate, limiter: RateLimiter::direct_with_clock(quota, clock) }
    }
}

impl RateLimits {
    /// Counts a request of `client`, which `directory` lists. Fails with the time to wait
    /// if the request exceeds the client's rate; then it is not counted.
    pub(crate) fn count(&self, client: &Client, directory: &Directory) -> Result<(), Duration> {
        let Some(rate) = client.rate else { return Ok(()) };
        let mut by_client = self.by_client.lock().unwrap_or_else(PoisonError::into_inner);
        if by_client.get(&client.name).is_none_or(|limit| limit.rate != rate) {
            // Clients that are no longer configured go, so that there are never more
            // entries than the configuration has clients.
            by_client.retain(|name, _| directory.client(name).is_some());
            by_client.insert(client.name.clone(), ClientLimit::new(rate, self.clock.clone()));
        }
        let Some(limit) = by_client.get(&client.name) else { return Ok(()) };
        limit.limiter.check().map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn client(name: &str, rate: Option<Rate>) -> Client {
        Client {
            name: ClientName::new(name).expect("a name"),
            api_key_sha256: Vec::new(),
            webhook_secrets: Vec::new(),
            rate,
        }
    }

    fn rate(per_second: u32, burst: u32) -> Rate {
        let number = |n| NonZeroU32::new(n).expect("above zero");
        Rate { per_second: number(per_second), burst: number(burst) }
    }

    fn directory(clients: &[&Client]) -> Directory {
        Directory::new(clients.iter().map(|client| (*client).clone()).collect(), Vec::new())
    }

    #[test]
    fn client_beyond_its_burst_waits_and_others_do_not() {
        let slow = client("slow", Some(rate(1, 3)));
        let free = client("free", None);
        let other = client("other", Some(rate(1, 1)));
        let directory = directory(&[&slow, &free, &other]);
        let limits = RateLimits::default();
        for _ in 0..3 {
            assert_eq!(limits.count(&slow, &directory), Ok(()));
        }
        let wait = limits.count(&slow, &directory).expect_err("one too many");
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        assert_eq!(limits.count(&other, &directory), Ok(()));
        for _ in 0..1000 {
            assert_eq!(limits.count(&free, &directory), Ok(()));
        }
    }

    #[test]
    fn usage_survives_a_reload_unless_the_rate_changes() {
        let before = client("orders", Some(rate(1, 1)));
        let limits = RateLimits::default();
        assert_eq!(limits.count(&before, &directory(&[&before])), Ok(()));
        let same = client("orders", Some(rate(1, 1)));
        assert!(limits.count(&same, &directory(&[&same])).is_err());
        let faster = client("orders", Some(rate(1, 2)));
        let directory = directory(&[&faster]);
        assert_eq!(limits.count(&faster, &directory), Ok(()));
        assert_eq!(limits.count(&faster, &directory), Ok(()));
        assert!(limits.count(&faster, &directory).is_err());
    }

    #[test]
    fn removed_clients_leave_no_entries() {
        let limits = RateLimits::default();
        for number in 0..100 {
            let client = client(&format!("client-{number}"), Some(rate(1, 1)));
            assert_eq!(limits.count(&client, &directory(&[&client])), Ok(()));
        }
        assert_eq!(limits.by_client.lock().expect("not poisoned").len(), 1);
    }
}

//! How fast each client may submit and erase at this producer.
//!
//! A cell for each client that has a rate, by name: what a client has used up stays used up
//! when the configuration is read again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{extract::FromRequestParts, http::request::Parts};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    state::{InMemoryState, NotKeyed},
};
use quhao_common::{
    domain::app::{Client, ClientName, Directory, Rate},
    process::metrics,
};

use crate::{
    Edge,
    http::{
        auth::Authenticated,
        problem::{Problem, ProblemCode},
    },
};

/// Whoever asks for what counts towards the client's rate, and may.
pub(crate) struct Rated(pub(crate) Authenticated);

impl FromRequestParts<Arc<Edge>> for Rated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Problem> {
        let caller = Authenticated::from_request_parts(parts, edge).await?;
        edge.rates.take(&caller)?;
        Ok(Self(caller))
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, MonotonicClock>;

/// What every client has used up of its rate.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    clock: MonotonicClock,
    cells: Mutex<HashMap<ClientName, Cell>>,
}

#[derive(Debug)]
struct Cell {
    rate: Rate,
    limiter: Limiter,
}

impl Cell {
    /// A rested one.
    fn new(rate: Rate, clock: MonotonicClock) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Self { rate, limiter: RateLimiter::direct_with_clock(quota, clock) }
    }
}

impl Rates {
    /// Counts a request, or says that it is one too many.
    fn take(&self, caller: &Authenticated) -> Result<(), Problem> {
        self.count(&caller.client, &caller.registry.directory).map_err(|wait| {
            metrics::rate_limited(caller.client.name.as_str());
            Problem::from(ProblemCode::RateLimited).retry_after(wait)
        })
    }

    /// Counts a request of `client`; an error is how long to wait instead.
    fn count(&self, client: &Client, directory: &Directory) -> Result<(), Duration> {
        let Some(rate) = client.rate else { return Ok(()) };
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.get(&client.name).is_none_or(|cell| cell.rate != rate) {
            // Whoever is no client any more leaves nothing behind, so that there are never
            // more than the configuration lists.
            cells.retain(|name, _| directory.client(name).is_some());
            cells.insert(client.name.clone(), Cell::new(rate, self.clock.clone()));
        }
        let Some(cell) = cells.get(&client.name) else { return Ok(()) };
        cell.limiter.check().map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn client(name: &str, rate: Option<(u32, u32)>) -> Client {
        let number = |n| NonZeroU32::new(n).expect("above zero");
        Client {
            name: ClientName::new(name).expect("a name"),
            api_key_sha256: Vec::new(),
            webhook_secrets: Vec::new(),
            rate: rate.map(|(per_second, burst)| Rate {
                per_second: number(per_second),
                burst: number(burst),
            }),
        }
    }

    fn directory(clients: &[&Client]) -> Directory {
        Directory::new(clients.iter().map(|client| (*client).clone()).collect(), Vec::new())
    }

    #[test]
    fn a_burst_is_taken_and_the_next_waits_while_others_go_on() {
        let (slow, free) = (client("slow", Some((1, 3))), client("free", None));
        let other = client("other", Some((1, 1)));
        let directory = directory(&[&slow, &free, &other]);
        let rates = Rates::default();
        for _ in 0..3 {
            assert_eq!(rates.count(&slow, &directory), Ok(()));
        }
        let wait = rates.count(&slow, &directory).expect_err("one too many");
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        assert_eq!(rates.count(&other, &directory), Ok(()));
        for _ in 0..1000 {
            assert_eq!(rates.count(&free, &directory), Ok(()));
        }
    }

    #[test]
    fn what_is_used_up_outlives_a_new_configuration_unless_the_rate_is_another() {
        let before = client("orders", Some((1, 1)));
        let rates = Rates::default();
        assert_eq!(rates.count(&before, &directory(&[&before])), Ok(()));
        let same = client("orders", Some((1, 1)));
        assert!(rates.count(&same, &directory(&[&same])).is_err());
        let faster = client("orders", Some((1, 2)));
        let directory = directory(&[&faster]);
        assert_eq!(rates.count(&faster, &directory), Ok(()));
        assert_eq!(rates.count(&faster, &directory), Ok(()));
        assert!(rates.count(&faster, &directory).is_err());
    }

    #[test]
    fn clients_that_are_gone_leave_nothing_behind() {
        let rates = Rates::default();
        for number in 0..100 {
            let client = client(&format!("client-{number}"), Some((1, 1)));
            assert_eq!(rates.count(&client, &directory(&[&client])), Ok(()));
        }
        assert_eq!(rates.cells.lock().expect("not poisoned").len(), 1);
    }
}

//! How many callbacks of which client are under way here, so that one slow receiver leaves
//! room for others. Pure.

use std::collections::HashMap;

use quhao_common::domain::app::ClientName;

/// What is under way in this process.
#[derive(Debug)]
pub struct Share {
    concurrency: usize,
    total: usize,
    by_client: HashMap<ClientName, usize>,
}

impl Share {
    /// Nothing is; at most `concurrency` may be.
    pub fn new(concurrency: usize) -> Self {
        Self { concurrency, total: 0, by_client: HashMap::new() }
    }

    /// How many may be claimed at once: what is free, but a quarter of all at most. With
    /// that and [`Share::busy`] one client has less than half of all, where there are four.
    pub fn claim_max(&self) -> usize {
        self.concurrency.saturating_sub(self.total).min(self.quarter())
    }

    /// Clients that get no more for now: each has a quarter of all under way.
    pub fn busy(&self) -> Vec<ClientName> {
        let busy = self.by_client.iter().filter(|(_, count)| **count >= self.quarter());
        busy.map(|(client, _)| client.clone()).collect()
    }

    /// One of `client` begins.
    pub fn enter(&mut self, client: &ClientName) {
        self.total += 1;
        *self.by_client.entry(client.clone()).or_default() += 1;
    }

    /// One of `client` has ended.
    pub fn leave(&mut self, client: &ClientName) {
        self.total = self.total.saturating_sub(1);
        if let Some(count) = self.by_client.get_mut(client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_client.remove(client);
            }
        }
    }

    /// How many are under way.
    pub fn total(&self) -> usize {
        self.total
    }

    fn quarter(&self) -> usize {
        (self.concurrency / 4).max(1)
    }
}

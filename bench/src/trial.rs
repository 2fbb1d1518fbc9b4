//! The trials. Each is a number of rounds; each round starts all that it measures anew, one
//! after another, so that nothing of one affects the next.

use std::{
    io::{Write, stderr},
    time::Duration,
};

use anyhow::Result;

use crate::{
    ceiling,
    figure::Measured,
    load::request::{Requests, Wishes},
    machine::Machine,
};

pub(crate) mod backlog;
pub(crate) mod embedded;
pub(crate) mod rate;
pub(crate) mod saturate;
pub(crate) mod scale;
pub(crate) mod waiters;

/// The environment of all trials.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) machine: Machine,
    /// Messages of the broker's own ceiling in each round; none where it is left out.
    pub(crate) ceiling_messages: Option<u64>,
}

impl Bench {
    /// Measures the broker's own ceiling, to begin a round with.
    async fn ceiling(&self) -> Result<Option<Measured>> {
        let Some(messages) = self.ceiling_messages else { return Ok(None) };
        log("  the broker's ceiling");
        // Bytes like a job's; the key belongs to no client.
        let requests = Requests::new("none", "AAAAAAAAAAAAAAAAAAAAAA==", Wishes::default())?;
        ceiling::measure(&self.machine, requests.sample_body(), messages).await.map(Some)
    }
}

/// Logs what is being done.
pub(crate) fn log(message: &str) {
    // Standard error may be closed.
    drop(writeln!(stderr(), "bench: {message}"));
}

/// Returns a time that was given in milliseconds.
pub(crate) fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

//! What can be tried. Each trial is a number of rounds; each round starts all it measures
//! anew, one after another, so that nothing of one is left to the next.

use std::{
    io::{Write, stderr},
    time::Duration,
};

use anyhow::Result;

use crate::{
    ceiling,
    figure::Measured,
    machine::Machine,
    request::{Requests, Wishes},
};

pub(crate) mod backlog;
pub(crate) mod embedded;
pub(crate) mod rate;
pub(crate) mod saturate;
pub(crate) mod scale;
pub(crate) mod waiters;

/// What all trials need.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) machine: Machine,
    /// Messages of the broker's own ceiling in each round; none where it is left out.
    pub(crate) ceiling_messages: Option<u64>,
}

impl Bench {
    /// The broker's own ceiling, to begin a round with.
    async fn ceiling(&self) -> Result<Option<Measured>> {
        let Some(messages) = self.ceiling_messages else { return Ok(None) };
        tell("  the broker's ceiling");
        // Any job's bytes: a key that nobody uses.
        let requests = Requests::new("none", "AAAAAAAAAAAAAAAAAAAAAA==", Wishes::default())?;
        ceiling::measure(&self.machine, requests.sample_body(), messages).await.map(Some)
    }
}

/// Tells whoever waits what is being done.
pub(crate) fn tell(words: &str) {
    // Nobody may be there to read it.
    drop(writeln!(stderr(), "bench: {words}"));
}

/// A time that was given in milliseconds.
pub(crate) fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

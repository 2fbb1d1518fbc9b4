//! Embedded mode: one process and one SQLite file, every accepted job on the disk.

use anyhow::Result;
use clap::Args;

use super::{Bench, log, millis, saturate::Saturate};
use crate::{figure::Measured, subject::Subject, upstream::Upstream};

#[derive(Debug, Clone, Args)]
pub(crate) struct Embedded {
    /// Jobs that are measured
    #[arg(long, default_value_t = 10_000)]
    pub(crate) jobs: u64,
    /// Clients, each with its next job once its last was answered
    #[arg(long, default_value_t = 256)]
    pub(crate) connections: usize,
}

impl Embedded {
    pub(crate) fn setting(&self) -> String {
        format!(
            "one process, one SQLite file with synchronous = FULL; {} jobs over {} connections; \
             platform answers at once",
            self.jobs, self.connections
        )
    }

    pub(crate) async fn round(&self, bench: &Bench) -> Result<Vec<Measured>> {
        log("  quhao, embedded");
        let subject = Subject::embedded(Upstream::start(millis(0)).await?).await?;
        let saturate = Saturate {
            jobs: self.jobs,
            warm_up: 500,
            connections: self.connections,
            upstream_ms: 0,
            no_baseline: true,
            baseline_batched: false,
        };
        Ok(vec![saturate.measure(bench, subject).await?])
    }
}

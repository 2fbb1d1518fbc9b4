//! More workers at a platform that takes its time: what bounds one of them is how many jobs
//! it works on at once, so that twice the workers do twice the jobs while processors last.

use anyhow::Result;
use clap::Args;

use super::{Bench, log, millis, saturate::Saturate};
use crate::{
    figure::{Measured, Unit, float},
    subject::{Subject, Tuning},
    upstream::Upstream,
};

#[derive(Debug, Clone, Args)]
pub(crate) struct Scale {
    /// Numbers of workers
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
    pub(crate) workers: Vec<usize>,
    /// Jobs for each worker
    #[arg(long, default_value_t = 5000)]
    pub(crate) jobs: u64,
    /// How long the platform takes to answer
    #[arg(long, default_value_t = 80)]
    pub(crate) upstream_ms: u64,
    /// Jobs that each worker works on at once: few enough that processors are not the limit
    #[arg(long, default_value_t = 64)]
    pub(crate) concurrency: usize,
    /// Clients, each with its next job once its last was answered
    #[arg(long, default_value_t = 256)]
    pub(crate) connections: usize,
}

impl Scale {
    pub(crate) fn setting(&self) -> String {
        format!(
            "{} jobs a worker over {} connections; platform answers after {} ms; one producer; \
             each worker works on {} jobs at once",
            self.jobs, self.connections, self.upstream_ms, self.concurrency
        )
    }

    pub(crate) async fn round(&self, bench: &Bench) -> Result<Vec<Measured>> {
        let mut round = Vec::new();
        for &workers in &self.workers {
            log(&format!("  {workers} worker(s)"));
            round.push(self.measure(bench, workers).await?);
        }
        round.extend(bench.ceiling().await?);
        Ok(round)
    }

    async fn measure(&self, bench: &Bench, workers: usize) -> Result<Measured> {
        let count = float(workers as u64);
        let saturate = Saturate {
            jobs: self.jobs * workers as u64,
            warm_up: 1000,
            connections: self.connections,
            upstream_ms: self.upstream_ms,
            no_baseline: true,
            baseline_batched: false,
        };
        let upstream = Upstream::start(millis(self.upstream_ms)).await?;
        let tuning = Tuning { concurrency: Some(self.concurrency), ..Tuning::workers(workers) };
        let subject = Subject::quhao(tuning, upstream).await?;
        let mut measured = saturate.measure(bench, subject).await?;
        measured.subject = format!("{workers} worker(s)");
        let possible =
            count * float(self.concurrency as u64) * 1e3 / float(self.upstream_ms.max(1));
        let rate = measured.value("end to end").unwrap_or_default();
        measured.put("a worker", Unit::JobsPerSecond, rate / count);
        measured.put("of what its slots allow", Unit::Share, rate / possible);
        Ok(measured)
    }
}

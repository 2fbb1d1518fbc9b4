//! As many jobs as go through: a closed loop, and everything that it costs.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use super::{Bench, log, millis};
use crate::{
    baseline::pair::Inserts,
    figure::{Measured, Unit, float},
    load::request::Wishes,
    load::{Target, closed},
    subject::{Subject, Tuning},
    upstream::Upstream,
    watch::Watch,
};

#[derive(Debug, Clone, Args)]
pub(crate) struct Saturate {
    /// Jobs that are measured
    #[arg(long, default_value_t = 40_000)]
    pub(crate) jobs: u64,
    /// Jobs before those, which are not
    #[arg(long, default_value_t = 2000)]
    pub(crate) warm_up: u64,
    /// Clients, each with its next job once its last was answered
    #[arg(long, default_value_t = 256)]
    pub(crate) connections: usize,
    /// How long the platform takes to answer
    #[arg(long, default_value_t = 0)]
    pub(crate) upstream_ms: u64,
    /// Leave out the plain program
    #[arg(long)]
    pub(crate) no_baseline: bool,
    /// Also measure the plain program with batched inserts
    #[arg(long)]
    pub(crate) baseline_batched: bool,
}

impl Saturate {
    pub(crate) fn setting(&self) -> String {
        format!(
            "{} jobs over {} connections, each with its next job once its last was answered; \
             platform answers after {} ms; one producer, one worker",
            self.jobs, self.connections, self.upstream_ms
        )
    }

    pub(crate) async fn round(&self, bench: &Bench) -> Result<Vec<Measured>> {
        let mut round: Vec<Measured> = bench.ceiling().await?.into_iter().collect();
        let upstream = || Upstream::start(millis(self.upstream_ms));
        log("  quhao");
        let quhao = Subject::quhao(Tuning::workers(1), upstream().await?).await?;
        round.insert(0, self.measure(bench, quhao).await?);
        let mut variants = Vec::new();
        if !self.no_baseline {
            variants.push(Inserts::Single);
        }
        if self.baseline_batched {
            variants.push(Inserts::Batched);
        }
        for inserts in variants {
            log(&format!("  {}", inserts.subject()));
            let baseline = Subject::baseline(inserts, upstream().await?).await?;
            round.push(self.measure(bench, baseline).await?);
        }
        Ok(round)
    }

    /// Sends all jobs to a subject and waits until all have ended.
    pub(crate) async fn measure(&self, bench: &Bench, mut subject: Subject) -> Result<Measured> {
        let mut measured = Measured::of(subject.name);
        let target = subject.target(Wishes::default(), self.connections)?;
        let warm_up = closed::send(&target, self.warm_up).await?;
        ensure!(warm_up.taken() == self.warm_up, "warming up: {}", warm_up.problems());
        subject.done(self.warm_up).await?;
        drop(subject.upstream.take_times());

        let watch = Watch::begin(&subject, &bench.machine).await;
        let started = Instant::now();
        let target = Target { first: self.warm_up, ..target };
        let tally = closed::send(&target, self.jobs).await?;
        subject.done(self.warm_up + tally.taken()).await?;
        let took = started.elapsed();

        let rate = |jobs: u64, time: Duration| float(jobs) / time.as_secs_f64();
        measured.put("accepted", Unit::JobsPerSecond, rate(tally.taken(), tally.took));
        measured.put("end to end", Unit::JobsPerSecond, rate(tally.taken(), took));
        measured.put_latencies("submit", &tally.submit);
        watch.end(&subject, tally.taken(), &mut measured).await;
        measured.note(tally.problems());
        Ok(measured)
    }
}

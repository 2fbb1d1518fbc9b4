//! A steady rate, whatever becomes of the jobs before: an open loop.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;

use super::{Bench, log, millis};
use crate::{
    figure::{Measured, Unit, float},
    load::request::Wishes,
    load::{
        Target, closed,
        open::{self, Schedule},
        tally::Tally,
    },
    rows::Ended,
    subject::{Subject, Tuning},
    upstream::Upstream,
    watch::Watch,
};

/// The longest `Prefer: wait`.
const WAIT_SECONDS: u64 = 30;

#[derive(Debug, Clone, Args)]
pub(crate) struct Rate {
    /// Arrivals a second
    #[arg(long, default_value_t = 1000)]
    pub(crate) jobs_per_second: u32,
    /// For how long
    #[arg(long, default_value_t = 20)]
    pub(crate) seconds: u64,
    /// Have each answer wait for the job's result (`Prefer: wait`)
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long the platform takes to answer
    #[arg(long, default_value_t = 20)]
    pub(crate) upstream_ms: u64,
    /// The jobs' `deadline_seconds`
    #[arg(long, default_value_t = 240)]
    pub(crate) deadline_seconds: u64,
    /// Jobs under way at once; beyond, arrivals wait for a connection, and their time counts
    #[arg(long, default_value_t = 512)]
    pub(crate) connections: usize,
    /// Jobs before those that are measured
    #[arg(long, default_value_t = 2000)]
    pub(crate) warm_up: u64,
    /// Processes that work
    #[arg(long, default_value_t = 1)]
    pub(crate) workers: usize,
}

impl Rate {
    pub(crate) fn setting(&self) -> String {
        format!(
            "{} jobs a second for {} s, arriving at fixed times from which every latency counts{}; \
             platform answers after {} ms; deadline {} s; one producer, {} worker(s)",
            self.jobs_per_second,
            self.seconds,
            if self.wait { ", each answer waits for its result" } else { "" },
            self.upstream_ms,
            self.deadline_seconds,
            self.workers
        )
    }

    pub(crate) async fn round(&self, bench: &Bench) -> Result<Vec<Measured>> {
        let ceiling = bench.ceiling().await?;
        log("  quhao");
        let upstream = Upstream::start(millis(self.upstream_ms)).await?;
        let subject = Subject::quhao(Tuning::workers(self.workers), upstream).await?;
        let quhao = self.measure(bench, subject).await?;
        Ok([quhao].into_iter().chain(ceiling).collect())
    }

    async fn measure(&self, bench: &Bench, mut subject: Subject) -> Result<Measured> {
        let wishes = Wishes {
            wait_seconds: self.wait.then_some(WAIT_SECONDS),
            deadline_seconds: Some(self.deadline_seconds),
        };
        let target = subject.target(wishes, self.connections)?;
        let warm_up = closed::send(&target, self.warm_up).await?;
        ensure!(warm_up.taken() == self.warm_up, "warming up: {}", warm_up.problems());
        subject.done(self.warm_up).await?;
        drop(subject.upstream.take_times());

        let watch = Watch::begin(&subject, &bench.machine).await;
        let time = Duration::from_secs(self.seconds);
        let deadline = Duration::from_secs(self.deadline_seconds);
        let schedule = Schedule::new(self.jobs_per_second, time, deadline);
        let target = Target { first: self.warm_up, ..target };
        let tally = open::send(&target, schedule).await?;
        let ended = self.ended(&mut subject, &tally).await?;

        let mut measured = Measured::of(subject.name);
        self.put(&mut measured, &tally, ended);
        measured.put_latencies("platform", &subject.upstream.take_times());
        watch.end(&subject, tally.taken(), &mut measured).await;
        measured.note(tally.problems());
        Ok(measured)
    }

    /// Counts how the jobs ended. Under overload some fail by their deadline, and those that the
    /// queue lets go leave no row; their end is waited for all the same.
    async fn ended(&self, subject: &mut Subject, tally: &Tally) -> Result<Ended> {
        let jobs = self.warm_up + tally.taken();
        let all = subject.settled(jobs, Duration::from_secs(self.deadline_seconds)).await?;
        Ok(Ended {
            all: all.all.saturating_sub(self.warm_up),
            succeeded: all.succeeded.saturating_sub(self.warm_up),
            in_deadline: all.in_deadline.saturating_sub(self.warm_up),
        })
    }

    fn put(&self, measured: &mut Measured, tally: &Tally, ended: Ended) {
        let seconds = float(self.seconds);
        let rate = |jobs: u64| float(jobs) / seconds;
        // Requests that waited know when they had the result; for the others the store does.
        let in_deadline = if self.wait { tally.in_deadline } else { ended.in_deadline };
        measured.put("offered", Unit::JobsPerSecond, rate(tally.offered));
        measured.put("accepted", Unit::JobsPerSecond, rate(tally.taken()));
        measured.put("succeeded", Unit::JobsPerSecond, rate(ended.succeeded));
        measured.put("goodput (by the deadline)", Unit::JobsPerSecond, rate(in_deadline));
        let share = float(in_deadline) / float(tally.offered.max(1));
        measured.put("goodput, of what was offered", Unit::Share, share);
        measured.put_latencies("submit", &tally.submit);
        measured.put_latencies("result", &tally.result);
        measured.put_latencies("generator's own delay", &tally.delay);
    }
}

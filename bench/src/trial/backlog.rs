//! A backlog: jobs without a worker, then one worker. What does not fit into the jobs'
//! life expires, and has to get out of the way.

use std::{
    future::Future,
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use quhao_tests::config::Backing;
use tokio::time::{MissedTickBehavior, interval};

use super::{Bench, log, millis};
use crate::{
    figure::{Measured, Series, Unit, float},
    load::closed,
    load::request::Wishes,
    processes::{Role, Watched},
    subject::{Subject, Tuning},
    upstream::Upstream,
    watch::{Watch, mebibytes},
};

/// The longest life that a job can have.
const DEADLINE_SECONDS: u64 = 290;

/// The pause between two samples.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// The backlog is done once the queue is empty and the worker idle in so many samples in a
/// row.
const EMPTY_SAMPLES: u32 = 3;

#[derive(Debug, Clone, Args)]
pub(crate) struct Backlog {
    /// Jobs that wait before anybody works
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) jobs: u64,
    /// Clients, each with its next job once its last was answered
    #[arg(long, default_value_t = 256)]
    pub(crate) connections: usize,
    /// Longest that the worker may take, in seconds
    #[arg(long, default_value_t = 1800)]
    pub(crate) limit_seconds: u64,
}

/// The samples of a backlog over time: seconds from its start, and value.
#[derive(Debug, Default)]
struct Samples {
    producer_memory: Vec<(f64, f64)>,
    worker_memory: Vec<(f64, f64)>,
    waiting: Vec<(f64, f64)>,
    exchanges: Vec<(f64, f64)>,
}

impl Backlog {
    pub(crate) fn setting(&self) -> String {
        format!(
            "{} jobs with a life of {DEADLINE_SECONDS} s over {} connections while nobody works, \
             then one worker; platform answers at once",
            self.jobs, self.connections
        )
    }

    pub(crate) async fn round(&self, bench: &Bench) -> Result<Vec<Measured>> {
        let ceiling = bench.ceiling().await?;
        log("  quhao");
        let tuning = Tuning {
            length_max: Some(self.jobs.saturating_mul(2).clamp(1000, 100_000_000)),
            ..Tuning::workers(0)
        };
        let subject = Subject::quhao(tuning, Upstream::start(millis(0)).await?).await?;
        let quhao = self.measure(bench, subject).await?;
        Ok([quhao].into_iter().chain(ceiling).collect())
    }

    async fn measure(&self, bench: &Bench, mut subject: Subject) -> Result<Measured> {
        let mut measured = Measured::of(subject.name);
        let (mut samples, began) = (Samples::default(), Instant::now());
        let wishes = Wishes { deadline_seconds: Some(DEADLINE_SECONDS), ..Wishes::default() };
        let target = subject.target(wishes, self.connections)?;
        let sending = closed::send(&target, self.jobs);
        let tally = samples.sample_during(&mut subject, began, sending).await??;
        measured.put(
            "accepted",
            Unit::JobsPerSecond,
            float(tally.taken()) / tally.took.as_secs_f64(),
        );
        measured.note(tally.problems());
        log(&format!("  {} jobs wait", tally.taken()));

        subject.world()?.add_worker().await;
        let watch = Watch::begin(&subject, &bench.machine).await;
        let started = Instant::now();
        let mut empty = 0;
        let mut ticks = interval(SAMPLE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while empty < EMPTY_SAMPLES {
            ticks.tick().await;
            let waiting = samples.sample(&mut subject, began).await?;
            let metrics = subject.metrics().await.context("quhao tells its metrics")?;
            let idle = waiting == 0 && metrics.sum("quhao_slots") < 0.5;
            empty = if idle { empty + 1 } else { 0 };
            let limit = Duration::from_secs(self.limit_seconds);
            ensure!(started.elapsed() < limit, "{waiting} messages still wait after {limit:?}");
        }
        let took = started.elapsed().saturating_sub(SAMPLE_EVERY * (EMPTY_SAMPLES - 1));

        let ended = subject.ended().await?;
        measured.put(
            "gone through the worker",
            Unit::JobsPerSecond,
            float(tally.taken()) / took.as_secs_f64(),
        );
        measured.put("succeeded", Unit::Jobs, float(ended.succeeded));
        measured.put("expired", Unit::Jobs, float(tally.taken().saturating_sub(ended.all)));
        measured.put("drained after", Unit::Seconds, took.as_secs_f64());
        watch.end(&subject, tally.taken(), &mut measured).await;
        if let Some(broker) = bench.machine.servers.iter().find(|one| one.role == Role::Broker) {
            let held = broker.resident_bytes().map(mebibytes);
            measured.put_some("memory broker, at the end", Unit::Mebibytes, held);
        }
        measured.series = samples.series();
        Ok(measured)
    }
}

impl Samples {
    /// Samples everything while `work` runs.
    async fn sample_during<T>(
        &mut self,
        subject: &mut Subject,
        began: Instant,
        work: impl Future<Output = T>,
    ) -> Result<T> {
        let mut work = pin!(work);
        let mut ticks = interval(SAMPLE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                _ = ticks.tick() => {}
            }
            // Both go on while the broker is asked.
            tokio::select! {
                done = &mut work => return Ok(done),
                sampled = self.sample(subject, began) => { sampled?; }
            }
        }
    }

    /// Samples everything, and returns how many messages wait now; one may carry several jobs.
    async fn sample(&mut self, subject: &mut Subject, began: Instant) -> Result<u64> {
        let Backing::Servers { prefix, .. } = &subject.world()?.backing else {
            anyhow::bail!("only a broker can be asked")
        };
        let waiting = u64::from(prefix.waiting().await);
        let now = began.elapsed().as_secs_f64();
        let memory = |role: Role| {
            let held = subject.processes().into_iter().filter(|one| one.role == role);
            held.filter_map(Watched::resident_bytes).max().map(mebibytes)
        };
        let (producer, worker) = (memory(Role::Producer), memory(Role::Worker));
        self.producer_memory.extend(producer.map(|held| (now, held)));
        self.worker_memory.extend(worker.map(|held| (now, held)));
        self.waiting.push((now, float(waiting)));
        self.exchanges.push((now, float(subject.upstream.exchanges())));
        Ok(waiting)
    }

    fn series(self) -> Vec<Series> {
        let rates = self.exchanges.windows(2).map(|pair| {
            let ((before, early), (now, late)) = (pair[0], pair[1]);
            (now, (late - early) / (now - before).max(1e-9))
        });
        let rates = rates.collect();
        let series = |name: &str, unit, points| Series { name: name.to_owned(), unit, points };
        vec![
            series("memory producer", Unit::Mebibytes, self.producer_memory),
            series("memory worker", Unit::Mebibytes, self.worker_memory),
            series("messages that wait", Unit::Messages, self.waiting),
            series("calls of the platform", Unit::JobsPerSecond, rates),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_the_change_between_two_samples() {
        let samples = Samples { exchanges: vec![(1.0, 100.0), (3.0, 500.0)], ..Samples::default() };
        let series = samples.series();
        let rate = series.iter().find(|one| one.name == "calls of the platform").unwrap();
        assert_eq!(rate.points, [(3.0, 200.0)]);
    }
}

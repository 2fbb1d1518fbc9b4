//! Many requests that wait at one producer, without a worker; then one worker.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use tokio::time::sleep;

use super::{Bench, log, millis};
use crate::{
    figure::{Measured, Unit, float},
    load::open::{self, Schedule},
    load::request::Wishes,
    processes::{Role, Watched},
    subject::{Subject, Tuning},
    upstream::Upstream,
    watch::Watch,
};

/// The longest `Prefer: wait`: all must have come, and be answered, within it.
const WAIT_SECONDS: u64 = 30;

/// Longest that is waited for all to have come: enough of the wait must be left.
const COME_LIMIT: Duration = Duration::from_secs(15);
/// How long they take to come: all at once would be a test of the publish window.
const COMING_SECONDS: u32 = 5;
const LOOK: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, Args)]
pub(crate) struct Waiters {
    /// Requests that wait at once
    #[arg(long, default_value_t = 10_000)]
    pub(crate) count: usize,
}

impl Waiters {
    pub(crate) fn setting(&self) -> String {
        format!(
            "{} requests with `Prefer: wait={WAIT_SECONDS}` at one producer, which come within \
             {COMING_SECONDS} s while nobody works, then one worker; platform answers at once",
            self.count
        )
    }

    pub(crate) async fn round(&self, bench: &Bench) -> Result<Vec<Measured>> {
        let ceiling = bench.ceiling().await?;
        log("  quhao");
        let tuning = Tuning { waiters: Some(self.count), ..Tuning::workers(0) };
        let subject = Subject::quhao(tuning, Upstream::start(millis(0)).await?).await?;
        let quhao = self.measure(bench, subject).await?;
        Ok([quhao].into_iter().chain(ceiling).collect())
    }

    async fn measure(&self, bench: &Bench, mut subject: Subject) -> Result<Measured> {
        let mut measured = Measured::of(subject.name);
        let count = self.count as u64;
        let memory = |subject: &Subject| {
            let mut held = subject.processes().into_iter().filter(|one| one.role == Role::Producer);
            held.find_map(Watched::resident_bytes).context("the memory of the producer")
        };
        let before = memory(&subject)?;
        let wishes = Wishes { wait_seconds: Some(WAIT_SECONDS), ..Wishes::default() };
        let target = subject.target(wishes, self.count)?;
        let watch = Watch::begin(&subject, &bench.machine).await;
        let started = Instant::now();
        let a_second = u32::try_from(self.count)?.div_ceil(COMING_SECONDS);
        let time = Duration::from_secs(COMING_SECONDS.into());
        let schedule = Schedule { jobs: count, ..Schedule::new(a_second, time, Duration::MAX) };
        let sending = tokio::spawn(async move { open::send_connecting(&target, schedule).await });

        let mut most = 0.0_f64;
        while most < float(count) && started.elapsed() < COME_LIMIT {
            sleep(LOOK).await;
            let metrics = subject.metrics().await.context("quhao tells its metrics")?;
            most = most.max(metrics.sum("quhao_waiters"));
        }
        let came = started.elapsed();
        let each = memory(&subject)?.saturating_sub(before);
        subject.world()?.add_worker().await;
        let worked = Instant::now();
        let tally = sending.await??;
        let answered = worked.elapsed();

        measured.put("offered", Unit::Jobs, float(count));
        measured.put("waiting at once", Unit::Jobs, most);
        measured.put("answered", Unit::Jobs, float(tally.succeeded));
        measured.put("all waited after", Unit::Seconds, came.as_secs_f64());
        measured.put(
            "all answered, from the worker's start",
            Unit::Seconds,
            answered.as_secs_f64(),
        );
        measured.put(
            "memory of each who waits",
            Unit::Kibibytes,
            float(each) / 1024.0 / most.max(1.0),
        );
        measured.put_latencies("result", &tally.result);
        watch.end(&subject, count, &mut measured).await;
        measured.note(tally.problems());
        Ok(measured)
    }
}

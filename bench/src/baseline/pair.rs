//! The baseline's two processes, started and ended by the bench.

use std::{env, net::SocketAddr, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use quhao_tests::{database::Database, prefix::Prefix, services};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::process::{AMQP_URL, DATABASE_URL, PLATFORM_URL, QUEUE, READY};
use crate::{
    processes::{Role, Watched},
    upstream::Upstream,
};

/// Longest that a process may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The way in which the baseline inserts rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserts {
    /// A statement and a commit for each.
    Single,
    /// Those that are there at once.
    Batched,
}

impl Inserts {
    /// Returns the name of the baseline in reports.
    pub(crate) fn subject(self) -> &'static str {
        match self {
            Self::Single => "baseline",
            Self::Batched => "baseline, batched",
        }
    }
}

/// Running processes; ended when dropped, before queue and database go.
pub(crate) struct Pair {
    pub(crate) address: SocketAddr,
    producer: Child,
    worker: Child,
    _queue: Prefix,
    _database: Database,
}

impl Pair {
    /// Starts both; they run when this returns.
    pub(crate) async fn start(
        database: Database,
        inserts: Inserts,
        upstream: &Upstream,
    ) -> Result<Self> {
        let queue = Prefix::new();
        let variables = [
            (AMQP_URL, services::amqp_url()),
            (DATABASE_URL, database.url().to_owned()),
            (PLATFORM_URL, upstream.base_url()),
            (QUEUE, queue.queues()[0].clone()),
        ];
        let (producer, address) = start(&["producer"], &variables).await?;
        let worker: &[&str] = match inserts {
            Inserts::Single => &["worker"],
            Inserts::Batched => &["worker", "--batched"],
        };
        let (worker, _) = start(worker, &variables).await?;
        let address = address.parse().context("the producer prints its address")?;
        Ok(Self { address, producer, worker, _queue: queue, _database: database })
    }

    pub(crate) fn processes(&self) -> Vec<Watched> {
        let both = [(Role::Producer, &self.producer), (Role::Worker, &self.worker)];
        both.into_iter().filter_map(|(role, child)| Some(Watched::new(role, child.id()?))).collect()
    }
}

/// Starts a baseline process, which is this very program, and returns its ready line.
async fn start(words: &[&str], variables: &[(&str, String)]) -> Result<(Child, String)> {
    let mut child = Command::new(env::current_exe()?)
        .arg("baseline")
        .args(words)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        // Closed when this process ends, however it does: then the child ends too.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let out = child.stdout.take().context("its output is a pipe")?;
    let mut line = String::new();
    timeout(START_LIMIT, BufReader::new(out).read_line(&mut line)).await??;
    let ready = line.trim().strip_prefix(READY).context("a process of the baseline has ended")?;
    Ok((child, ready.trim().to_owned()))
}

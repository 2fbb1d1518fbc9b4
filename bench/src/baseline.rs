//! The yardstick beside quhao: the same chain of HTTP, broker, platform and Postgres as a
//! competent engineer writes it in an afternoon, with none of quhao's duties. No keys, no
//! checks of the input, nothing sealed, no ids that prove themselves, no sessions, no
//! retries, no recovery. It decrypts, so that this costs both sides the same.
//!
//! It shares no code with what is measured: its own program runs as a producer and a worker.

use std::{io, process, thread};

use anyhow::Result;
use clap::{Args, Subcommand};
use lapin::{Connection, ConnectionProperties};
use serde::{Deserialize, Serialize};

pub(crate) mod decrypt;
pub(crate) mod insert;
pub(crate) mod pair;
pub(crate) mod producer;
pub(crate) mod worker;

/// Where results go.
pub(crate) const TABLE: &str = "create table baseline_results (
    id text primary key,
    app text not null,
    openid text not null,
    phone text not null,
    created_at timestamptz not null default now()
)";

/// The variables that tell the processes where everything is; arguments are for all to see.
const AMQP_URL: &str = "QUHAO_BENCH_AMQP_URL";
const DATABASE_URL: &str = "QUHAO_BENCH_DATABASE_URL";
const PLATFORM_URL: &str = "QUHAO_BENCH_PLATFORM_URL";
const QUEUE: &str = "QUHAO_BENCH_QUEUE";

/// What each process says once it runs, before its address if it has one.
const READY: &str = "ready";

/// One process of the baseline.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Role {
    /// HTTP in, message out
    Producer,
    /// Message in, row out
    Worker {
        /// Insert what is there at once, instead of a row at a time
        #[arg(long)]
        batched: bool,
    },
}

/// What is submitted, and what travels through the queue.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    #[serde(default)]
    id: String,
    app_id: String,
    code: String,
    encrypted_data: String,
    iv: String,
}

/// Runs one process until whoever started it is gone.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    thread::spawn(end_with_parent);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match arguments.role {
            Role::Producer => producer::run().await,
            Role::Worker { batched } => worker::run(batched).await,
        }
    })
}

/// Ends this process once the other end of its standard input is closed.
fn end_with_parent() {
    // An error is an end as well.
    drop(io::copy(&mut io::stdin(), &mut io::sink()));
    process::exit(0);
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).map_err(|_| anyhow::anyhow!("{name} is not set"))
}

async fn connect() -> Result<Connection> {
    Ok(Connection::connect(&variable(AMQP_URL)?, ConnectionProperties::default()).await?)
}

/// Tells whoever started this process that it runs.
fn ready(words: &str) -> io::Result<()> {
    use io::Write;
    let mut out = io::stdout();
    writeln!(out, "{READY} {words}")?;
    out.flush()
}

//! The yardstick beside quhao: the same chain of HTTP, broker, platform and Postgres as a
//! competent engineer writes it in an afternoon, with none of quhao's duties. No keys, no
//! checks of the input, nothing sealed, no ids that prove themselves, no sessions, no
//! retries, no recovery. It decrypts, so that this costs both sides the same.
//!
//! It shares no code with what is measured: its own program runs as a producer and a worker.

use std::{io, thread};

use anyhow::Result;
use clap::{Args, Subcommand};

mod decrypt;
mod insert;
pub(crate) mod pair;
mod process;
mod producer;
mod worker;

/// The table of results.
pub(crate) const TABLE: &str = "create table baseline_results (
    id text primary key,
    app text not null,
    openid text not null,
    phone text not null,
    created_at timestamptz not null default now()
)";

/// The command line of a process of the baseline.
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

/// Runs one process until the process that started it is gone.
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
    std::process::exit(0);
}

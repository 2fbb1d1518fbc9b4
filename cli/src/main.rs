//! 取号: mini-program login codes and encrypted payloads in, verified phone numbers out.
//!
//! The only `main`: reads the command line and calls the module of the command.

mod callbacks;
mod config;
mod demo;
mod docs;
mod erase;
mod existing_store;
mod exit;
mod failure_codes;
mod job;
mod migrate;
mod schema;
mod serve;
mod shutdown;
mod simulator;

use std::{env, io, num::NonZero, path::PathBuf, process::ExitCode, thread};

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use quhao_common::process::tls;
use tokio::runtime::{self, Runtime};

use crate::{exit::CommandResult, serve::Role};

/// A job is some hundred small things on the heap: a tenth of a worker's processor time less
/// than with glibc's (docs/understand/performance.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// quhao (取号): WeChat mini-program phone numbers, without losing or leaking one.
#[derive(Debug, Parser)]
#[command(name = "quhao", version, arg_required_else_help = true)]
#[command(after_help = "New here? Run `quhao demo`: it needs no file, no server, no account.\n\n\
    Exit codes: 0 done, 1 a check or job failed, 2 wrong usage or configuration.")]
struct Cli {
    /// Configuration file [default: quhao.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the whole product at work in one process, with a simulated WeChat
    ///
    /// Starts producer, worker, an SQLite file in a temporary folder and the simulator,
    /// submits jobs over HTTP like an ordering system would, and shows them finishing.
    /// Then serves a page to play with until Ctrl-C. Reads no configuration.
    Demo(demo::Arguments),
    /// Run producer and worker in one process
    ///
    /// With `sqlite:` URLs this is the embedded mode, which needs no server; the file's
    /// schema is brought up to date at the start. With servers, run `quhao migrate`
    /// first.
    ///
    /// SIGTERM or Ctrl-C drains within `drain_seconds`: the producer stops accepting,
    /// then the worker finishes what it has. A second signal exits at once. SIGHUP, here
    /// and for the roles alone, reads clients, apps and secrets again.
    Serve,
    /// Run a producer: HTTP in, queue out. Any number of them
    Producer,
    /// Run a worker: queue in, results out. Any number of them
    Worker,
    /// Bring the store's schema up to date
    ///
    /// `serve` and `demo` do this by themselves on `sqlite:` stores, whose file belongs
    /// to one process. On a server nothing migrates by itself.
    Migrate(migrate::Arguments),
    /// Run the WeChat simulator
    Simulator(simulator::Arguments),
    /// Decode a job's id and say where the job stands
    ///
    /// Takes the whole id or the form without tag that logs show. Never prints a phone
    /// number or an openid. Exits 1 if the job failed. A `sqlite:` store belongs to one
    /// process, so it can be asked only while no `quhao serve` runs on it.
    Job(job::Arguments),
    /// List callbacks, or make failed ones due again
    ///
    /// Never shows where they go. Talks to the store itself; a `sqlite:` store belongs to
    /// one process, so it can be asked only while no `quhao serve` runs on it.
    Callbacks(callbacks::Arguments),
    /// Erase everything that is kept of one app
    ///
    /// Results, sessions and callbacks, whoever owns the app; what jobs that were submitted
    /// before may still bring is kept out too. Talks to the store itself; a `sqlite:` store
    /// belongs to one process, so nobody may serve on it meanwhile. To erase one person,
    /// clients have `POST /v1/erasures`.
    Erase(erase::Arguments),
    /// Print the effective configuration, secrets masked
    Config(config::Arguments),
    /// Write the generated pages of docs/
    #[command(hide = true)]
    Docs(docs::Arguments),
}

fn main() -> ExitCode {
    tls::install_crypto_provider();
    let cli = Cli::parse();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return exit::Exit::from(error).report(),
    };
    let done = runtime.block_on(run(cli));
    // Tasks that still run have had their time to end.
    runtime.shutdown_background();
    done.map_or_else(exit::Exit::report, |()| ExitCode::SUCCESS)
}

/// Creates a runtime with one thread for every two processors, unless Tokio's own variable says
/// how many: a process waits most of the time, and threads that wake each other cost more than
/// they do.
fn runtime() -> io::Result<Runtime> {
    let mut builder = runtime::Builder::new_multi_thread();
    if env::var_os("TOKIO_WORKER_THREADS").is_none() {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        builder.worker_threads(processors.div_ceil(2));
    }
    builder.enable_all().build()
}

async fn run(cli: Cli) -> CommandResult {
    let file = cli.config;
    match cli.command {
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Serve => serve::run(Role::Both, file).await,
        Command::Producer => serve::run(Role::Producer, file).await,
        Command::Worker => serve::run(Role::Worker, file).await,
        Command::Migrate(arguments) => migrate::run(arguments, file).await,
        Command::Simulator(arguments) => simulator::run(arguments).await,
        Command::Job(arguments) => job::run(arguments, file).await,
        Command::Callbacks(arguments) => callbacks::run(arguments, file).await,
        Command::Erase(arguments) => erase::run(arguments, file).await,
        Command::Config(arguments) => config::run(&arguments, file),
        Command::Docs(arguments) => docs::run(&arguments),
    }
}

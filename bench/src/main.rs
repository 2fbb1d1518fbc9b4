//! An open-loop load generator that checks promises: what quhao does with jobs and what that costs,
//! beside a plain program and the broker's own ceiling, in the same run.

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    figure::Measured,
    machine::Machine,
    report::{
        bar::Bar,
        json, plots, promises,
        summary::{Report, Trial},
        table,
    },
    trial::{
        Bench, backlog::Backlog, embedded::Embedded, log, rate::Rate, saturate::Saturate,
        scale::Scale, waiters::Waiters,
    },
};

mod baseline;
mod ceiling;
mod figure;
mod http;
mod latencies;
mod load;
mod machine;
mod processes;
mod report;
mod rows;
mod subject;
mod trial;
mod upstream;
mod watch;

/// Measures quhao, a plain program that does the same, and the broker's own ceiling.
#[derive(Debug, Parser)]
#[command(name = "quhao-bench", version, arg_required_else_help = true)]
#[command(after_help = "Run it by `bench/run`, which builds what is measured and starts the \
    servers.\n\nExit codes: 0 done, whether promises are kept or not; 1 a promise is broken (with --enforce), \
    or it could not be measured; 2 wrong usage.")]
struct Cli {
    /// Rounds of each trial; medians are shown
    #[arg(long, global = true, default_value_t = 1, value_name = "N")]
    rounds: usize,
    /// Print everything as JSON instead of the table, or also write it to FILE
    #[arg(long, global = true, value_name = "FILE", num_args = 0..=1, require_equals = true,
        default_missing_value = "-")]
    json: Option<PathBuf>,
    /// Write plots into this folder
    #[arg(long, global = true, value_name = "FOLDER")]
    svg: Option<PathBuf>,
    /// Exit with 1 if a promise is broken
    #[arg(long, global = true)]
    enforce: bool,
    /// Messages that measure the broker's own ceiling in each round
    #[arg(long, global = true, default_value_t = 40_000, value_name = "N")]
    ceiling_messages: u64,
    /// Leave out the broker's own ceiling
    #[arg(long, global = true)]
    no_ceiling: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Highest throughput, from a closed loop
    Saturate(Saturate),
    /// A steady rate of jobs, from an open loop
    Rate(Rate),
    /// More workers at a slow platform
    Scale(Scale),
    /// Jobs that wait before a worker starts
    Backlog(Backlog),
    /// Requests that wait for their results at one producer
    Waiters(Waiters),
    /// One process on an SQLite file
    Embedded(Embedded),
    /// All of them, each with its defaults; `rate` waits for results at 1,000 jobs a
    /// second. The backlog has one round
    All {
        /// Jobs of the backlog
        #[arg(long, default_value_t = 1_000_000)]
        backlog_jobs: u64,
    },
    /// A process of the baseline; started by the others
    #[command(hide = true)]
    Baseline(baseline::Arguments),
}

fn main() -> ExitCode {
    // The plain program uses the TLS of the product that it is compared with. Installed once.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Baseline(arguments) => baseline::run(arguments).map(|()| true),
        _ => measure(&cli),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            log(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Measures, prints the report, and returns whether the run passes.
fn measure(cli: &Cli) -> Result<bool> {
    // Every client is a descriptor. What is not allowed shows when it is needed.
    drop(rlimit::increase_nofile_limit(u64::MAX));
    // One thread: load and platform should take as little as they can from what is measured.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let mut asked_to_end = signal(SignalKind::terminate())?;
        tokio::select! {
            report = run(cli) => report,
            // Dropping it ends and removes all that was started.
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
            _ = asked_to_end.recv() => anyhow::bail!("interrupted"),
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    let report = report?;
    let bars = promises::bars(&report);
    let as_json = || serde_json::to_string_pretty(&json::value(&report, &bars));
    let out = BufWriter::new(io::stdout());
    match &cli.json {
        Some(path) if path.as_os_str() == "-" => print(out, |out| writeln!(out, "{}", as_json()?))?,
        path => {
            print(out, |out| table::write(out, &report, &bars))?;
            if let Some(path) = path {
                fs::write(path, as_json()? + "\n").with_context(|| path.display().to_string())?;
            }
        }
    }
    if let Some(folder) = &cli.svg {
        let plots = plots::write(folder, &report).with_context(|| folder.display().to_string())?;
        log(&format!("plots in {}: {}", folder.display(), plots.join(", ")));
    }
    Ok(!cli.enforce || bars.iter().all(Bar::passed))
}

fn print<W: Write>(mut out: W, write: impl FnOnce(&mut W) -> io::Result<()>) -> Result<()> {
    write(&mut out)?;
    Ok(out.flush()?)
}

async fn run(cli: &Cli) -> Result<Report> {
    let machine = Machine::look().await?;
    let ceiling_messages = (!cli.no_ceiling).then_some(cli.ceiling_messages.max(1));
    let bench = Bench { machine: machine.clone(), ceiling_messages };
    let mut report = Report::new(machine);
    for command in commands(&cli.command) {
        let (name, setting) = command.title();
        let mut trial = Trial::new(name, setting);
        let rounds = if matches!(command, Command::Backlog(_)) { 1 } else { cli.rounds.max(1) };
        for round in 1..=rounds {
            log(&format!("{name}, round {round} of {rounds}"));
            trial.add(command.round(&bench).await.with_context(|| name.to_owned())?);
        }
        report.trials.push(trial);
    }
    Ok(report)
}

/// Expands `all` to every trial with its defaults; any other command is itself.
fn commands(command: &Command) -> Vec<Command> {
    let Command::All { backlog_jobs } = command else { return vec![command.clone()] };
    let backlog_jobs = backlog_jobs.to_string();
    let words: [&[&str]; 6] = [
        &["saturate", "--baseline-batched"],
        &["rate", "--wait"],
        &["scale"],
        &["waiters"],
        &["embedded"],
        &["backlog", "--jobs", &backlog_jobs],
    ];
    let parsed = words.iter().map(|words| Cli::parse_from([&["quhao-bench"], *words].concat()));
    parsed.map(|cli| cli.command).collect()
}

impl Command {
    fn title(&self) -> (&'static str, String) {
        match self {
            Self::Saturate(trial) => ("saturate", trial.setting()),
            Self::Rate(trial) => ("rate", trial.setting()),
            Self::Scale(trial) => ("scale", trial.setting()),
            Self::Backlog(trial) => ("backlog", trial.setting()),
            Self::Waiters(trial) => ("waiters", trial.setting()),
            Self::Embedded(trial) => ("embedded", trial.setting()),
            Self::All { .. } | Self::Baseline(_) => ("none", String::new()),
        }
    }

    async fn round(&self, bench: &Bench) -> Result<Vec<Measured>> {
        match self {
            Self::Saturate(trial) => trial.round(bench).await,
            Self::Rate(trial) => trial.round(bench).await,
            Self::Scale(trial) => trial.round(bench).await,
            Self::Backlog(trial) => trial.round(bench).await,
            Self::Waiters(trial) => trial.round(bench).await,
            Self::Embedded(trial) => trial.round(bench).await,
            Self::All { .. } | Self::Baseline(_) => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn all_is_every_trial_once() {
        let all = Cli::parse_from(["quhao-bench", "all", "--backlog-jobs", "7", "--rounds", "5"]);
        assert_eq!(all.rounds, 5);
        let names: Vec<&str> = commands(&all.command).iter().map(|one| one.title().0).collect();
        assert_eq!(names, ["saturate", "rate", "scale", "waiters", "embedded", "backlog"]);
        assert!(matches!(commands(&all.command).last(), Some(Command::Backlog(b)) if b.jobs == 7));
    }
}

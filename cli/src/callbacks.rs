//! `quhao callbacks`: whether webhooks were delivered. Never shows addresses or contents.

use std::{
    collections::HashMap,
    io::{self, Write},
    path::PathBuf,
};

use quhao_backend::store::{CallbackFilter, Store};
use quhao_common::{
    config::Config,
    domain::{
        answer::Answer,
        app::AppId,
        callback_status::{CallbackState, CallbackStatus},
        id::{self, JobId, JobKey},
    },
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    config, existing_store,
    exit::{CommandResult, Exit},
};

/// Largest number of rows that one query returns.
const ROWS_MAX: u32 = 1000;
/// The text of an empty cell.
const NOTHING: &str = "-";

/// `quhao callbacks`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List callbacks, the newest first
    List(List),
    /// Make failed callbacks due again, with their full time limit
    ///
    /// Exits 1 if there is none.
    Retry(Retry),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only callbacks of this app
    #[arg(long, value_name = "APPID", value_parser = app)]
    app: Option<AppId>,
    /// Only callbacks in this state
    #[arg(long, value_parser = status)]
    state: Option<CallbackStatus>,
    /// Only callbacks of this job: its id, whole or as logs show it
    #[arg(long, value_name = "ID", value_parser = job)]
    job: Option<JobKey>,
    /// Maximum number of rows
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(ROWS_MAX)))]
    limit: u32,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").args(["job", "app"]).required(true))]
struct Retry {
    /// The callbacks of this job: its id, whole or as logs show it
    #[arg(long, value_name = "ID", value_parser = job)]
    job: Option<JobKey>,
    /// The newest fifty callbacks of this app
    #[arg(long, value_name = "APPID", value_parser = app)]
    app: Option<AppId>,
    /// All callbacks of the app
    #[arg(long, requires = "app")]
    all: bool,
}

/// Callbacks of an app that are made due again without `--all`.
const RETRY_MAX: u32 = 50;

fn app(text: &str) -> Result<AppId, String> {
    AppId::new(text).map_err(|error| error.to_string())
}

fn job(text: &str) -> Result<JobKey, String> {
    let expected = "expected `job_` and 40 characters, or 28 as logs show it";
    id::parse_for_operator(text).map(|(_, key)| key).ok_or_else(|| expected.to_owned())
}

fn status(text: &str) -> Result<CallbackStatus, String> {
    let found = CallbackStatus::from_name(text);
    let names: Vec<_> = CallbackStatus::ALL.iter().map(|status| status.as_str()).collect();
    let names = names.join(", ");
    found.ok_or_else(|| format!("expected one of {names}"))
}

/// Lists or retries callbacks, directly on the store.
pub(crate) async fn run(arguments: Arguments, file: Option<PathBuf>) -> CommandResult {
    let config = config::load(file)?;
    let store = existing_store::open(&config).await?;
    let done = match arguments.command {
        Command::List(list) => run_list(&config, &store, list).await,
        Command::Retry(retry) => run_retry(&store, retry).await,
    };
    store.close().await;
    done
}

async fn run_list(config: &Config, store: &Store, list: List) -> CommandResult {
    let List { app, state: status, job: key, limit: max } = list;
    let callbacks = store.callbacks(&CallbackFilter { key, app, status, max }).await?;
    let ids = ids(config, store, &callbacks).await?;
    let mut out = io::stdout().lock();
    if callbacks.is_empty() {
        writeln!(out, "none")?;
        return Ok(());
    }
    let header = ["job", "app", "event", "state", "attempts", "next attempt", "status", "error"];
    let mut rows = vec![header.map(str::to_owned)];
    for callback in &callbacks {
        rows.push(row(ids.get(&callback.key), callback)?);
    }
    write_table(&mut out, &rows)?;
    out.flush()?;
    Ok(())
}

async fn run_retry(store: &Store, retry: Retry) -> CommandResult {
    let max = if retry.app.is_some() && !retry.all { RETRY_MAX } else { ROWS_MAX };
    let filter = CallbackFilter { key: retry.job, app: retry.app, status: None, max };
    let mut count = 0;
    loop {
        // What is due again is not failed any more, so this comes to an end.
        let part = store.retry_callbacks(&filter).await?;
        count += part;
        if !retry.all || part < u64::from(max) {
            break;
        }
    }
    writeln!(io::stdout().lock(), "{count} due again")?;
    if count == 0 { Err(Exit::failed("no such callback has failed")) } else { Ok(()) }
}

/// Returns the ids of the jobs by their keys. Ids stand in the sealed answers; an answer that
/// cannot be opened here is left out.
async fn ids(
    config: &Config,
    store: &Store,
    callbacks: &[CallbackState],
) -> Result<HashMap<JobKey, JobId>, Exit> {
    let apps: HashMap<JobKey, &AppId> =
        callbacks.iter().map(|callback| (callback.key, &callback.app)).collect();
    let keys: Vec<JobKey> = apps.keys().copied().collect();
    let opened = store.answers(&keys).await?.into_iter().filter_map(|row| {
        let (app, sealed) = (apps.get(&row.key)?, row.answer?);
        let answer = Answer::open(&config.vault, row.key, app, &sealed).ok()?;
        Some((row.key, answer.callback?.id))
    });
    Ok(opened.collect())
}

fn row(id: Option<&JobId>, callback: &CallbackState) -> Result<[String; 8], Exit> {
    let nothing = || NOTHING.to_owned();
    let event = callback.event.type_name();
    let next = callback.due_at.map(time).transpose()?;
    Ok([
        id.map_or_else(|| format!("(unreadable: key {:?})", callback.key), JobId::to_string),
        callback.app.to_string(),
        event.to_owned(),
        callback.status.as_str().to_owned(),
        callback.attempts.to_string(),
        next.unwrap_or_else(nothing),
        callback.last_status.map_or_else(nothing, |status| status.to_string()),
        callback.last_error.clone().unwrap_or_else(nothing),
    ])
}

/// Formats a time to the second: nobody waits for a retry by the millisecond.
fn time(at: OffsetDateTime) -> Result<String, time::error::Format> {
    at.truncate_to_second().format(&Rfc3339)
}

fn write_table(out: &mut impl Write, rows: &[[String; 8]]) -> io::Result<()> {
    let mut widths = [0; 8];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

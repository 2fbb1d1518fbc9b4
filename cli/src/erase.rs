//! `quhao erase`: erases everything of one app, for an operator whose merchant leaves.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::Context;
use quhao_backend::store::{AppErased, AppErasure, Erased, Store};
use quhao_common::{config::Config, domain::app::AppId};
use time::OffsetDateTime;

use crate::{
    config, existing_store,
    exit::{CommandResult, Exit},
    schema::Fitness,
};

/// `quhao erase`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The appid. It need not be configured any more
    #[arg(long, value_name = "APPID")]
    app: String,
    /// Do it: what is erased cannot be brought back
    #[arg(long)]
    yes: bool,
}

/// Erases the app in bounded parts and prints how much was erased.
pub(crate) async fn run(arguments: Arguments, file: Option<PathBuf>) -> CommandResult {
    let app = AppId::new(&arguments.app)
        .map_err(|error| Exit::misused(format!("--app is no appid: {error}")))?;
    if !arguments.yes {
        return Err(Exit::misused(format!(
            "this erases every result, session and callback of {app}, and nothing brings them \
             back; say --yes to do it"
        )));
    }
    let config = config::load(file)?;
    let store = existing_store::open(&config).await?;
    let erased = erase(&store, &config, app).await;
    store.close().await;
    let Erased { answers, sessions } = erased?;
    let mut out = io::stdout().lock();
    writeln!(out, "erased the results of {answers} jobs and {sessions} sessions")?;
    out.flush()?;
    Ok(())
}

async fn erase(store: &Store, config: &Config, app: AppId) -> Result<Erased, Exit> {
    let schema = store.schema().await?;
    if let Some(problem) = Fitness::of(schema).problem(schema) {
        return Err(Exit::failed(problem));
    }
    // The precision of a job's times.
    let erased_at = OffsetDateTime::now_utc().truncate_to_millisecond();
    let purge_at = erased_at + config.erasure_retention();
    let mut all = Erased::default();
    let mut after = None;
    loop {
        let part = AppErasure { app: app.clone(), erased_at, purge_at, after };
        let AppErased { erased, next } = store.erase_app(&part).await.with_context(|| {
            format!(
                "stopped after {} jobs and {} sessions; the same command goes on from there",
                all.answers, all.sessions
            )
        })?;
        all.answers += erased.answers;
        all.sessions += erased.sessions;
        if next.is_none() {
            return Ok(all);
        }
        after = next;
    }
}

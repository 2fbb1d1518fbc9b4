//! `quhao migrate`: brings the store's schema up to date.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::Context;
use quhao_backend::{
    backend,
    store::{SCHEMA_VERSION, Schema, Store},
};

use crate::{
    config, existing_store,
    exit::{CommandResult, Exit},
    schema::Fitness,
};

/// `quhao migrate`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Change nothing; exit 1 if a migration is pending
    #[arg(long)]
    check: bool,
}

/// Applies pending migrations, or only lists them.
pub(crate) async fn run(arguments: Arguments, file: Option<PathBuf>) -> CommandResult {
    let config = config::load(file)?;
    // Opening a file that does not exist would create it.
    if arguments.check && existing_store::is_absent(&config) {
        return pending(Schema { version: 0, min_compatible: 0 });
    }
    let store = backend::open_store(&config.store).await?;
    let done = if arguments.check { check(&store).await } else { apply(&store).await };
    store.close().await;
    done
}

async fn check(store: &Store) -> CommandResult {
    let schema = store.schema().await?;
    match Fitness::of(schema) {
        Fitness::Fits => {
            print_line(&format!("the schema has version {}: nothing to do", schema.version))
        }
        Fitness::Older => pending(schema),
        Fitness::TooNew => Err(refused(schema)),
    }
}

async fn apply(store: &Store) -> CommandResult {
    let before = store.schema().await?;
    if Fitness::of(before) == Fitness::TooNew {
        return Err(refused(before));
    }
    let applied = store.migrate().await.context("the migration failed")?;
    for version in &applied {
        print_line(&format!("applied migration {version:04}"))?;
    }
    let schema = store.schema().await?;
    let nothing = if applied.is_empty() { ": nothing to do" } else { "" };
    print_line(&format!("the schema has version {}{nothing}", schema.version))
}

fn pending(schema: Schema) -> CommandResult {
    for version in schema.version + 1..=SCHEMA_VERSION {
        print_line(&format!("pending: migration {version:04}"))?;
    }
    Err(Exit::Failed(None))
}

fn refused(schema: Schema) -> Exit {
    Exit::failed(Fitness::TooNew.problem(schema).unwrap_or_default())
}

fn print_line(line: &str) -> CommandResult {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(())
}

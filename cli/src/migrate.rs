//! `quhao migrate`: the store's schema.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::Context;
use quhao_backend::{
    backend,
    store::{SCHEMA_VERSION, Schema, Store},
};
use quhao_common::config::{Config, StoreUrl};

use crate::{
    config,
    exit::{Done, Exit},
    schema::Fitness,
};

/// `quhao migrate`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Change nothing; exit 1 if a migration is pending
    #[arg(long)]
    check: bool,
}

/// Migrates, or looks whether it would.
pub(crate) async fn run(arguments: Arguments, file: Option<PathBuf>) -> Done {
    let config = config::load(file)?;
    // Opening a file that is not there would make it.
    if arguments.check && is_absent(&config) {
        return pending(Schema { version: 0, min_compatible: 0 });
    }
    let store = backend::open_store(&config.store).await?;
    let done = if arguments.check { check(&store).await } else { apply(&store).await };
    store.close().await;
    done
}

async fn check(store: &Store) -> Done {
    let schema = store.schema().await?;
    match Fitness::of(schema) {
        Fitness::Fits => say(&format!("the schema has version {}: nothing to do", schema.version)),
        Fitness::Older => pending(schema),
        Fitness::TooNew => Err(refused(schema)),
    }
}

async fn apply(store: &Store) -> Done {
    let before = store.schema().await?;
    if Fitness::of(before) == Fitness::TooNew {
        return Err(refused(before));
    }
    let applied = store.migrate().await.context("the migration failed")?;
    for version in &applied {
        say(&format!("applied migration {version:04}"))?;
    }
    let schema = store.schema().await?;
    let nothing = if applied.is_empty() { ": nothing to do" } else { "" };
    say(&format!("the schema has version {}{nothing}", schema.version))
}

fn pending(schema: Schema) -> Done {
    for version in schema.version + 1..=SCHEMA_VERSION {
        say(&format!("pending: migration {version:04}"))?;
    }
    Err(Exit::Failed(None))
}

fn refused(schema: Schema) -> Exit {
    Exit::failed(Fitness::TooNew.trouble(schema).unwrap_or_default())
}

pub(crate) fn is_absent(config: &Config) -> bool {
    matches!(&config.store.url, StoreUrl::Sqlite(path) if !path.exists())
}

fn say(line: &str) -> Done {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(())
}

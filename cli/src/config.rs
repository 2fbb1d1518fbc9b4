//! `quhao config`, and how every command gets its configuration.

use std::{
    fs::{File, Permissions},
    io::{self, Write},
    os::{fd::AsFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use quhao_common::config::{self, Config, ConfigErrors, DEFAULT_FILE, LoadOptions};

use crate::exit::{Done, Exit};

/// `quhao config`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print the default file instead: every key with its meaning
    #[arg(long)]
    defaults: bool,
}

/// Prints.
pub(crate) fn run(arguments: &Arguments, file: Option<PathBuf>) -> Done {
    let text = if arguments.defaults {
        config::DEFAULTS.to_owned()
    } else {
        config::effective_toml(&LoadOptions::of_process(file)).map_err(|errors| wrong(&errors))?
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// The configuration of this process.
pub(crate) fn load(file: Option<PathBuf>) -> Result<Config, Exit> {
    Config::load(&LoadOptions::of_process(file)).map_err(|errors| wrong(&errors))
}

/// As [`load`], for the first command that a newcomer tries: with nothing configured, it
/// shows a file that works.
pub(crate) fn load_or_explain(file: Option<PathBuf>) -> Result<Config, Exit> {
    let nothing_named = file.is_none() && is_absent_or_empty(Path::new(DEFAULT_FILE));
    match Config::load(&LoadOptions::of_process(file)) {
        Ok(config) => Ok(config),
        Err(errors) if nothing_named && errors.only_missing() => Err(explained(&errors)?),
        Err(errors) => Err(wrong(&errors)),
    }
}

fn wrong(errors: &ConfigErrors) -> Exit {
    let count = errors.iter().count();
    let what = if count == 1 { "an error" } else { "errors" };
    Exit::misused(format!("the configuration has {what}:\n{}", indented(errors)))
}

/// The explanation goes to standard error and the file to standard output, so that
/// `quhao serve > quhao.toml` keeps just the file.
fn explained(errors: &ConfigErrors) -> Result<Exit, Exit> {
    let example = config::minimal_example().context("no randomness for new secrets")?;
    // Nobody is left to hear of a closed standard error.
    let _ = writeln!(
        io::stderr().lock(),
        "quhao: nothing is configured yet. These have no default:\n{}\n\n\
         Here is a file that works, with new secrets: one process, one SQLite file, no server.\n\
         Save it as {DEFAULT_FILE} where you alone can read it (`quhao serve > {DEFAULT_FILE}` does)\n\
         and run `quhao serve` again.\n\
         `quhao config --defaults` explains every key. To look around first: `quhao demo`.\n",
        indented(errors)
    );
    let mut out = io::stdout().lock();
    make_private(&out).context("cannot keep others from reading what would hold new secrets")?;
    out.write_all(example.as_bytes())?;
    out.flush()?;
    Ok(Exit::Misused(None))
}

/// What `out` was redirected to, if it is a file, is its owner's alone from now on: the
/// shell has made it readable by everybody.
fn make_private(out: &impl AsFd) -> io::Result<()> {
    let file = File::from(out.as_fd().try_clone_to_owned()?);
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Empty is as good as absent: `quhao serve > quhao.toml` has made it just now.
fn is_absent_or_empty(path: &Path) -> bool {
    path.metadata().map_or(true, |metadata| metadata.len() == 0)
}

fn indented(errors: &ConfigErrors) -> String {
    errors.iter().map(|error| format!("  {error}")).collect::<Vec<_>>().join("\n")
}

//! `quhao config`, and how every command gets its configuration.

use std::{
    fs::{File, Permissions},
    io::{self, Write},
    os::{fd::AsFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use quhao_common::config::{self, Config, ConfigErrors, DEFAULT_FILE, LoadOptions};

use crate::exit::{CommandResult, Exit};

/// `quhao config`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print the default file instead: every key with its meaning
    #[arg(long)]
    defaults: bool,
}

/// Prints the effective configuration, or the default file.
pub(crate) fn run(arguments: &Arguments, file: Option<PathBuf>) -> CommandResult {
    let text = if arguments.defaults {
        config::DEFAULTS.to_owned()
    } else {
        config::effective_toml(&LoadOptions::of_process(file)).map_err(|errors| invalid(&errors))?
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Loads the configuration of this process.
pub(crate) fn load(file: Option<PathBuf>) -> Result<Config, Exit> {
    Config::load(&LoadOptions::of_process(file)).map_err(|errors| invalid(&errors))
}

/// Loads the configuration like [`load`]. With nothing configured it prints a file that works,
/// since this is the first command that a newcomer tries.
pub(crate) fn load_or_explain(file: Option<PathBuf>) -> Result<Config, Exit> {
    let nothing_named = file.is_none() && is_absent_or_empty(Path::new(DEFAULT_FILE));
    match Config::load(&LoadOptions::of_process(file)) {
        Ok(config) => Ok(config),
        Err(errors) if nothing_named && errors.only_missing() => Err(explain(&errors)?),
        Err(errors) => Err(invalid(&errors)),
    }
}

fn invalid(errors: &ConfigErrors) -> Exit {
    let count = errors.iter().count();
    let what = if count == 1 { "an error" } else { "errors" };
    Exit::misused(format!("the configuration has {what}:\n{}", indented(errors)))
}

/// Prints an example file to standard output and the explanation to standard error, so that
/// `quhao serve > quhao.toml` keeps the file alone.
fn explain(errors: &ConfigErrors) -> Result<Exit, Exit> {
    let example = config::minimal_example().context("no randomness for new secrets")?;
    // A closed standard error has no reader left to tell.
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

/// Removes everybody's rights but the owner's from the file that `out` was redirected to: the
/// shell has made it readable by all.
fn make_private(out: &impl AsFd) -> io::Result<()> {
    let file = File::from(out.as_fd().try_clone_to_owned()?);
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Returns whether the file is missing or empty: `quhao serve > quhao.toml` has just created it.
fn is_absent_or_empty(path: &Path) -> bool {
    path.metadata().map_or(true, |metadata| metadata.len() == 0)
}

fn indented(errors: &ConfigErrors) -> String {
    errors.iter().map(|error| format!("  {error}")).collect::<Vec<_>>().join("\n")
}

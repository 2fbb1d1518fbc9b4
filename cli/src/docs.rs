//! `quhao docs`: the pages of docs/ that are made from the code.

use std::{fs, io, path::Path};

use anyhow::Context;
use quhao_common::config::reference_markdown;

use crate::{
    exit::{Done, Exit},
    failure_codes,
};

/// `quhao docs`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; exit 1 and name the pages that are out of date
    #[arg(long)]
    check: bool,
}

/// Writes the pages, or compares them. Must run in the workspace's root.
pub(crate) fn run(arguments: &Arguments) -> Done {
    let pages = [
        ("docs/integrate/openapi.json", openapi()),
        ("docs/operate/configuration.md", reference_markdown()),
        ("docs/integrate/failure-codes.md", failure_codes::markdown()),
    ];
    if !Path::new("docs").is_dir() {
        return Err(Exit::misused("there is no docs/ here: run this from the workspace's root"));
    }
    if !arguments.check {
        for (path, text) in pages {
            fs::write(path, text).with_context(|| format!("cannot write {path}"))?;
        }
        return Ok(());
    }
    let mut stale = Vec::new();
    for (path, text) in pages {
        match fs::read_to_string(path) {
            Ok(found) if found == text => {}
            Ok(_) => stale.push(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => stale.push(path),
            Err(error) => {
                return Err(anyhow::Error::from(error)
                    .context(format!("cannot read {path}"))
                    .into());
            }
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(Exit::failed(format!("not up to date: {}; run `cargo run -- docs`", stale.join(", "))))
}

/// Returns the description of the API, one value a line, so that a diff can show it.
fn openapi() -> String {
    let mut text = quhao_producer::openapi_json().trim_end().to_owned();
    text.push('\n');
    text
}

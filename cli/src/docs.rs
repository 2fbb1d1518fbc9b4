//! `quhao docs`: the documents in docs/ that are made from the code.

use std::{fs, io, path::Path};

use anyhow::Context;
use quhao_common::{config::reference_markdown, process::metrics::metrics_markdown};

use crate::{
    exit::{CommandResult, Exit},
    failure_codes,
};

mod api_page;

/// `quhao docs`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; exit 1 and name the documents that are out of date
    #[arg(long)]
    check: bool,
}

/// A generated document.
struct Document {
    /// Where it stands, from the workspace's root.
    path: &'static str,
    text: String,
}

/// Generates every document.
fn documents() -> Vec<Document> {
    let openapi = quhao_producer::openapi_json();
    let page = api_page::html(&openapi);
    vec![
        Document { path: "docs/integrate/openapi.json", text: openapi },
        Document { path: "docs/integrate/api.html", text: page },
        Document { path: "docs/operate/configuration.md", text: reference_markdown() },
        Document { path: "docs/operate/metrics.md", text: metrics_markdown() },
        Document { path: "docs/integrate/failure-codes.md", text: failure_codes::markdown() },
    ]
}

/// Writes the documents, or compares them. Must run in the workspace's root.
pub(crate) fn run(arguments: &Arguments) -> CommandResult {
    if !Path::new("docs").is_dir() {
        return Err(Exit::misused("there is no docs/ here: run this from the workspace's root"));
    }
    if arguments.check { check() } else { write() }
}

/// Writes every document.
fn write() -> CommandResult {
    for Document { path, text } in documents() {
        fs::write(path, text).with_context(|| format!("cannot write {path}"))?;
    }
    Ok(())
}

/// Compares every document with its file.
fn check() -> CommandResult {
    let mut stale = Vec::new();
    for Document { path, text } in documents() {
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

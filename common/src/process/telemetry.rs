//! Log lines on standard error, as text or JSON, never with a secret.
//!
//! Libraries do not follow that rule. At `trace` and `debug` lapin prints frames, sqlx
//! statements, hyper and reqwest URLs (WeChat's contain the app secret and the login code),
//! rustls records. So what they may log has a ceiling, whatever the filter says; only quhao's
//! own modules have none.

use std::{backtrace::Backtrace, backtrace::BacktraceStatus, io, panic::PanicHookInfo};

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, Targets},
    fmt::MakeWriter,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::config::{Log, LogFormat, parse_filter};

/// The most that libraries may log. The more specific target wins; the target of a crate is
/// the first part of the targets of its modules.
const CEILINGS: &[(&str, LevelFilter)] = &[
    // A returned message is printed whole at `warn`.
    ("lapin", LevelFilter::ERROR),
    // It prints the panics of its threads, with their text.
    ("lapin::thread", LevelFilter::OFF),
    // Slow statements and slow waits for the pool come at `warn`: the text of the statement, no
    // values.
    ("sqlx", LevelFilter::WARN),
    // What the server says about a statement may quote its values.
    ("sqlx::postgres::notice", LevelFilter::OFF),
    // A parameter of the URL that it does not know is printed with its value.
    ("sqlx_postgres::options", LevelFilter::OFF),
    // It prints the text of a panic; `log_panic` reports the panic.
    ("tower_http::catch_panic", LevelFilter::OFF),
    ("tower_http", LevelFilter::WARN),
    ("hyper", LevelFilter::WARN),
    ("h2", LevelFilter::WARN),
    ("reqwest", LevelFilter::WARN),
    ("rustls", LevelFilter::WARN),
];

/// Why log lines cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be parsed.
    #[error("log.filter: expected a filter such as \"info\"")]
    Filter,
    /// Something else logs in this process.
    #[error("this process has another log subscriber")]
    Taken,
}

/// Sets this process up to log as `log` says, its panics too. Works once a process.
pub fn init(log: &Log) -> Result<(), TelemetryError> {
    let filter = parse_filter(&log.filter).ok_or(TelemetryError::Filter)?;
    subscriber(log.format, filter, io::stderr).try_init().map_err(|_| TelemetryError::Taken)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Creates a subscriber that writes lines to `writer`, limited by the filter and the ceilings.
fn subscriber<W>(format: LogFormat, filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => Box::new(lines.with_ansi(false)),
        LogFormat::Json => Box::new(lines.json().flatten_event(true)),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter.and(ceiling())))
}

/// Returns the ceilings as a filter.
fn ceiling() -> Targets {
    Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("quhao", LevelFilter::TRACE)
        .with_targets(CEILINGS.iter().copied())
}

/// Logs where a panic happened. Its text is left out: it may quote what was worked on.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    // Captured if RUST_BACKTRACE asks for it; names of functions, no values.
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(place, thread, %backtrace, "panic; its text is left out, since it may quote data");
    } else {
        tracing::error!(place, thread, "panic; its text is left out, since it may quote data");
    }
}

#[cfg(test)]
mod tests;

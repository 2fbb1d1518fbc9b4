//! `quhao simulator`: the misbehaving WeChat on its own.

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use anyhow::Context;
use quhao_common::shutdown;
use quhao_simulator::{App, Options, Simulator};

use crate::exit::Done;

/// The appid in the printed example when no `--app` was given.
const EXAMPLE_APP: &str = "wx4f4bc4dec97d474b";

/// `quhao simulator`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Delay every answer by this many milliseconds
    #[arg(long, value_name = "N", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(..=60_000))]
    latency_ms: u64,
    /// Answer this share of the calls "system busy" (-1); 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = share)]
    busy_rate: f64,
    /// A mini-program that exists, with its secret; without any, all exist
    #[arg(long = "app", value_name = "APPID=SECRET", value_parser = app)]
    apps: Vec<App>,
}

/// Runs until a signal.
pub(crate) async fn run(arguments: Arguments) -> Done {
    let example = arguments.apps.first().map_or(EXAMPLE_APP, |app| &app.app_id).to_owned();
    let stop = shutdown::signals()?;
    let options = Options {
        listen: arguments.listen,
        accept_any_app: arguments.apps.is_empty(),
        apps: arguments.apps,
        ..Options::default()
    };
    let simulator = Simulator::start(options)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    simulator.set_latency(Duration::from_millis(arguments.latency_ms));
    simulator.set_busy_rate(arguments.busy_rate);

    let base = simulator.base_url();
    let mut out = io::stdout().lock();
    writeln!(out, "simulator listening on {base}")?;
    writeln!(out, "  configure quhao with   [platforms.wechat] base_url = \"{base}\"")?;
    writeln!(
        out,
        "  mint a guest with      curl -s {base}/simulator/guests -d '{{\"app_id\":\"{example}\"}}'"
    )?;
    writeln!(out, "  see what was called    curl -s {base}/simulator/calls")?;
    out.flush()?;
    drop(out);

    stop.cancelled().await;
    simulator.stop().await;
    Ok(())
}

fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

fn app(text: &str) -> Result<App, String> {
    match text.split_once('=') {
        Some((id, secret)) if !id.is_empty() && !secret.is_empty() => {
            Ok(App { app_id: id.to_owned(), secret: secret.to_owned() })
        }
        _ => Err("expected APPID=SECRET".to_owned()),
    }
}

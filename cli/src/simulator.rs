//! `quhao simulator`: runs the WeChat simulator as a process of its own.

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use anyhow::Context;
use quhao_simulator::{App, Component, Endpoint, Options, Simulator};

use crate::{exit::CommandResult, shutdown};

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
    /// The service provider that may log users in for these apps, with its current token
    #[arg(long, value_name = "APPID=TOKEN", value_parser = component)]
    component: Option<Component>,
    /// The life of an access token
    #[arg(long, value_name = "N", default_value_t = 7200,
          value_parser = clap::value_parser!(u64).range(2..=7200))]
    token_life_seconds: u64,
    /// Write the country code of a redeemed phone code as a number, not a string
    #[arg(long)]
    country_code_as_number: bool,
}

/// Runs the simulator until a signal.
pub(crate) async fn run(arguments: Arguments) -> CommandResult {
    let example = arguments.apps.first().map_or(EXAMPLE_APP, |app| &app.app_id).to_owned();
    let stop = shutdown::signals()?;
    let options = Options {
        listen: arguments.listen,
        accept_any_app: arguments.apps.is_empty(),
        apps: arguments.apps,
        component: arguments.component,
        token_life: Duration::from_secs(arguments.token_life_seconds),
        country_code_as_number: arguments.country_code_as_number,
        ..Options::default()
    };
    let simulator = Simulator::start(options)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    for endpoint in Endpoint::ALL {
        simulator.at(endpoint).set_latency(Duration::from_millis(arguments.latency_ms));
        simulator.at(endpoint).set_busy_rate(arguments.busy_rate);
    }

    let base = simulator.base_url();
    let mut out = io::stdout().lock();
    writeln!(out, "simulator listening on {base}")?;
    writeln!(out, "  configure quhao with   [platforms.wechat] base_url = \"{base}\"")?;
    writeln!(
        out,
        "  create a guest with    curl -s {base}/simulator/guests -d '{{\"app_id\":\"{example}\"}}'"
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
    let (app_id, secret) = pair(text).ok_or("expected APPID=SECRET")?;
    Ok(App { app_id, secret })
}

fn component(text: &str) -> Result<Component, String> {
    let (app_id, access_token) = pair(text).ok_or("expected APPID=TOKEN")?;
    Ok(Component { app_id, access_token })
}

fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    (!name.is_empty() && !value.is_empty()).then(|| (name.to_owned(), value.to_owned()))
}

//! Clients that submit at a steady rate and wait for their answers.

use std::time::{Duration, Instant};

use quhao_tests::client::Client;
use serde_json::Value;
use tokio::task::{JoinHandle, JoinSet};

/// The longest time that a client waits.
const LIMIT: Duration = Duration::from_secs(90);

/// Clients of one app that submit at a steady rate.
pub(super) struct SteadyLoad {
    pub(super) client: Client,
    /// Jobs a second.
    pub(super) rate: u32,
}

/// The end of a client's job.
#[derive(Debug)]
pub(super) struct Ended {
    /// The failure code, if it failed.
    pub(super) code: Option<String>,
    /// The time from the submit on.
    pub(super) took: Duration,
}

impl SteadyLoad {
    /// Submits one of `jobs` for one guest after the other, whatever becomes of the others.
    pub(super) fn start(self, jobs: Vec<Value>) -> JoinHandle<Vec<Ended>> {
        tokio::spawn(async move {
            let (mut guests, mut next) = (JoinSet::new(), tokio::time::Instant::now());
            for job in jobs {
                tokio::time::sleep_until(next).await;
                next += Duration::from_secs(1) / self.rate;
                guests.spawn(run_client(self.client.clone(), job));
            }
            guests.join_all().await
        })
    }
}

async fn run_client(client: Client, job: Value) -> Ended {
    let began = Instant::now();
    let reply = client.submit_and_wait(&job, 20).await;
    let mut job = match reply.status {
        200 | 202 => reply.body,
        status => panic!("{status}: {}", reply.text),
    };
    if !matches!(job["status"].as_str(), Some("succeeded" | "failed")) {
        let url = job["url"].as_str().expect("a URL to poll").to_owned();
        job = client.wait_until_done(&url, LIMIT).await;
    }
    Ended { code: job["error"]["code"].as_str().map(str::to_owned), took: began.elapsed() }
}

/// Returns how long 19 of 20 of them waited at most.
pub(super) fn p95(ends: &[Ended]) -> Duration {
    let mut times: Vec<_> = ends.iter().map(|end| end.took).collect();
    times.sort_unstable();
    times[times.len() * 95 / 100]
}

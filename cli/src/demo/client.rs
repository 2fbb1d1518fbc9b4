//! What an ordering system would do: submit a tap over HTTP and read the job.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use quhao_simulator::User;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use time::OffsetDateTime;

/// Seconds that a request waits for the result.
pub(super) const WAIT_SECONDS: u64 = 10;
/// The whole of a request, its wait included.
const REQUEST_LIMIT: Duration = Duration::from_secs(WAIT_SECONDS + 10);
/// Requests for one result, each waiting, before the client gives up.
const POLLS_MAX: u32 = 6;

/// A client of quhao's HTTP interface.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    api_key: String,
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The body to the letter: a job, or a problem.
    pub(super) body: Box<RawValue>,
}

/// The parts of the job object that the demo shows.
#[derive(Debug, Deserialize)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) status: String,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(super) created_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(super) finished_at: Option<OffsetDateTime>,
    pub(super) result: Option<JobResult>,
    pub(super) error: Option<JobError>,
}

#[derive(Debug, Deserialize)]
pub(super) struct JobResult {
    pub(super) phone: Option<Phone>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Phone {
    pub(super) e164: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct JobError {
    pub(super) code: String,
}

impl Client {
    /// A client of the interface at `api`.
    pub(super) fn new(api: SocketAddr, api_key: &str) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            // The interface is on this machine, whatever the proxy variables say.
            .no_proxy()
            .connect_timeout(Duration::from_secs(2))
            .timeout(REQUEST_LIMIT)
            .build()?;
        Ok(Self { http, base: format!("http://{api}"), api_key: api_key.to_owned() })
    }

    /// Submits; with `wait`, waits for the result as long as the contract lets it.
    pub(super) async fn submit(&self, guest: &User, wait: bool) -> anyhow::Result<Answer> {
        let mut request = self.http.post(format!("{}/v1/jobs", self.base)).json(&body(guest));
        if wait {
            request = request.header("prefer", format!("wait={WAIT_SECONDS}"));
        }
        self.answer(request).await
    }

    /// Reads the job at `url` until it is finished.
    pub(super) async fn finished(&self, url: &str) -> anyhow::Result<Job> {
        for _ in 0..POLLS_MAX {
            let request = self
                .http
                .get(format!("{}{url}", self.base))
                .header("prefer", format!("wait={WAIT_SECONDS}"));
            let job = self.answer(request).await?.job()?;
            if job.status != "queued" {
                return Ok(job);
            }
        }
        bail!("not finished after {} s", u64::from(POLLS_MAX) * WAIT_SECONDS)
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
        let response = request.bearer_auth(&self.api_key).send().await?;
        let status = response.status().as_u16();
        let body = response.json().await.with_context(|| format!("HTTP {status} without JSON"))?;
        Ok(Answer { status, body })
    }
}

impl Answer {
    /// The job; an error that names the problem's code if it is none.
    pub(super) fn job(self) -> anyhow::Result<Job> {
        if !matches!(self.status, 200 | 202) {
            let problem: Value = serde_json::from_str(self.body.get()).unwrap_or_default();
            let code = problem.get("code").and_then(Value::as_str).unwrap_or("no code");
            bail!("HTTP {} {code}", self.status);
        }
        serde_json::from_str(self.body.get()).context("the answer is not a job")
    }
}

impl Job {
    /// The phone number, if there is one.
    pub(super) fn phone(&self) -> Option<&str> {
        Some(&self.result.as_ref()?.phone.as_ref()?.e164)
    }

    /// From acceptance until the outcome was known, by quhao's own clock.
    pub(super) fn worked(&self) -> Option<Duration> {
        (self.finished_at? - self.created_at?).try_into().ok()
    }
}

/// What a mini-program's back end sends for this guest.
pub(super) fn body(guest: &User) -> Value {
    json!({
        "app_id": guest.app_id,
        "code": guest.code,
        "encrypted_data": guest.encrypted_data,
        "iv": guest.iv,
        "metadata": {"table": 12},
    })
}

//! The ordering system's part: submits a tap over HTTP and reads the job.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use quhao_simulator::User;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use time::OffsetDateTime;

/// The mini-program of the demo.
pub(super) const APP_ID: &str = "wx4f4bc4dec97d474b";
/// Seconds that a request waits for the result.
pub(super) const WAIT_SECONDS: u64 = 10;
/// Time limit of one request, its wait included.
const REQUEST_LIMIT: Duration = Duration::from_secs(WAIT_SECONDS + 10);
/// Waiting requests for one result before the client gives up.
const POLLS_MAX: u32 = 6;

/// A client of quhao's HTTP API.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    api_key: String,
}

/// An HTTP response.
#[derive(Debug)]
pub(super) struct Response {
    /// The HTTP status.
    pub(super) status: u16,
    /// The body as it came: a job, or a problem.
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
    /// Creates a client of the API at `api`.
    pub(super) fn new(api: SocketAddr, api_key: &str) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            // The API is on this machine, whatever the proxy variables say.
            .no_proxy()
            .connect_timeout(Duration::from_secs(2))
            .timeout(REQUEST_LIMIT)
            .build()?;
        Ok(Self { http, base: format!("http://{api}"), api_key: api_key.to_owned() })
    }

    /// Submits the user's tap without waiting for the result.
    pub(super) async fn submit(&self, user: &User) -> anyhow::Result<Response> {
        self.send(self.submission(user)).await
    }

    /// Submits the user's tap and waits for the result for at most [`WAIT_SECONDS`].
    pub(super) async fn submit_and_wait(&self, user: &User) -> anyhow::Result<Response> {
        let prefer = format!("wait={WAIT_SECONDS}");
        self.send(self.submission(user).header("prefer", prefer)).await
    }

    fn submission(&self, user: &User) -> reqwest::RequestBuilder {
        self.http.post(format!("{}/v1/jobs", self.base)).json(&body(user))
    }

    /// Polls the job at `url` until it is finished, and returns it.
    pub(super) async fn finished(&self, url: &str) -> anyhow::Result<Job> {
        for _ in 0..POLLS_MAX {
            let request = self
                .http
                .get(format!("{}{url}", self.base))
                .header("prefer", format!("wait={WAIT_SECONDS}"));
            let job = self.send(request).await?.job()?;
            if job.status != "queued" {
                return Ok(job);
            }
        }
        bail!("not finished after {} s", u64::from(POLLS_MAX) * WAIT_SECONDS)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Response> {
        let response = request.bearer_auth(&self.api_key).send().await?;
        let status = response.status().as_u16();
        let body = response.json().await.with_context(|| format!("HTTP {status} without JSON"))?;
        Ok(Response { status, body })
    }
}

impl Response {
    /// Returns the job. If the body is a problem, the error names its code.
    pub(super) fn job(self) -> anyhow::Result<Job> {
        if !matches!(self.status, 200 | 202) {
            let problem: Value = serde_json::from_str(self.body.get()).unwrap_or_default();
            let code = problem.get("code").and_then(Value::as_str).unwrap_or("no code");
            bail!("HTTP {} {code}", self.status);
        }
        serde_json::from_str(self.body.get()).context("the response is not a job")
    }
}

impl Job {
    /// Returns the phone number, if there is one.
    pub(super) fn phone(&self) -> Option<&str> {
        Some(&self.result.as_ref()?.phone.as_ref()?.e164)
    }

    /// Returns the time from acceptance to the outcome, by quhao's own clock.
    pub(super) fn worked(&self) -> Option<Duration> {
        (self.finished_at? - self.created_at?).try_into().ok()
    }
}

/// Returns what a mini-program's back end sends for this user.
pub(super) fn body(user: &User) -> Value {
    json!({
        "app_id": user.app_id,
        "code": user.code,
        "encrypted_data": user.encrypted_data,
        "iv": user.iv,
        "metadata": {"table": 12},
    })
}

/// Returns the number that the simulator gave this user, in the form that quhao answers.
pub(super) fn expected_number(user: &User) -> String {
    format!("+86{}", user.phone)
}

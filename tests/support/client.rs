//! A client of the API, and of the operational pages.

use std::time::{Duration, Instant};

use quhao_common::process::tls;
use reqwest::{Method, header::HeaderMap};
use serde_json::Value;

use crate::metrics::Metrics;

/// Longest that one request may take; above the longest `Prefer: wait`.
const REQUEST_LIMIT: Duration = Duration::from_secs(45);

/// Longest that an idle connection is used again: a producer ends it after ten seconds, at
/// which moment a request may be under way.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// The pause between two polls.
const POLL_PAUSE: Duration = Duration::from_millis(50);

/// A client of one process, with an API key or without.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
}

/// A response.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null if it is no JSON.
    pub body: Value,
    /// The body as it was received.
    pub text: String,
}

impl Reply {
    /// Returns a header's text; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns a text in the body by its JSON pointer; empty if it is absent.
    pub fn text_at(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Client {
    /// Creates a client with this API key for the process that listens on `address`.
    pub fn new(address: &str, key: &str) -> Self {
        tls::install_crypto_provider();
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(REQUEST_LIMIT)
            .pool_idle_timeout(IDLE_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("an HTTP client");
        Self { http, base: format!("http://{address}"), key: Some(key.to_owned()) }
    }

    /// Returns the same client with another API key, or none.
    #[must_use]
    pub fn with_key(&self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), ..self.clone() }
    }

    /// Returns the same client for another process.
    #[must_use]
    pub fn at(&self, address: &str) -> Self {
        Self { base: format!("http://{address}"), ..self.clone() }
    }

    /// Sends any request. Fails when no response comes.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Reply, reqwest::Error> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Reply { status, headers, body, text })
    }

    /// Submits a job.
    pub async fn submit(&self, job: &Value) -> Reply {
        self.submit_with(job, &[]).await
    }

    /// Submits a job with further headers.
    pub async fn submit_with(&self, job: &Value, headers: &[(&str, &str)]) -> Reply {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.request(Method::POST, "/v1/jobs", &all, Some(job.to_string()))
            .await
            .expect("a response to a submit")
    }

    /// Submits a job and lets the producer hold the response for up to `seconds`.
    pub async fn submit_and_wait(&self, job: &Value, seconds: u64) -> Reply {
        self.submit_with(job, &[("prefer", &format!("wait={seconds}"))]).await
    }

    /// Gets what is at `path`.
    pub async fn get(&self, path: &str) -> Reply {
        self.get_with(path, &[]).await
    }

    /// Gets what is at `path`, with further headers.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.request(Method::GET, path, headers, None).await.expect("a response to a get")
    }

    /// Posts JSON to `path`.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        let headers = [("content-type", "application/json")];
        let body = Some(body.to_string());
        self.request(Method::POST, path, &headers, body).await.expect("a response to a post")
    }

    /// Deletes what is at `path`.
    pub async fn delete(&self, path: &str) -> Reply {
        let response = self.request(Method::DELETE, path, &[], None).await;
        response.expect("a response to a delete")
    }

    /// Polls a job's `url` until it is finished, and returns the job. Fails the test after
    /// `limit`.
    pub async fn wait_until_done(&self, url: &str, limit: Duration) -> Value {
        let end = Instant::now() + limit;
        loop {
            let reply = self.get(url).await;
            let status = reply.text_at("/status");
            if reply.status == 200 && matches!(status, "succeeded" | "failed") {
                return reply.body;
            }
            assert!(
                Instant::now() < end,
                "{url} is not finished after {limit:?}: {} {}",
                reply.status,
                reply.text
            );
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }

    /// Returns the process's metrics.
    pub async fn metrics(&self) -> Metrics {
        Metrics::parse(&self.get("/metrics").await.text)
    }

    /// Returns the count of one series of the process's metrics: a name, over all its labels,
    /// or a name with its labels. 0 if it is not there.
    pub async fn metric(&self, series: &str) -> u64 {
        self.metrics().await.count(series)
    }
}

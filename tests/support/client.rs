//! The API, as an ordering system uses it.

use std::time::{Duration, Instant};

use reqwest::{Method, header::HeaderMap};
use serde_json::Value;

/// Longest that one request may take; above the longest `Prefer: wait`.
const REQUEST_LIMIT: Duration = Duration::from_secs(45);

/// Connections that lay idle for longer are not used again: a producer ends them after ten
/// seconds, at which moment a request may be under way.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// The pause between two polls.
const POLL_PAUSE: Duration = Duration::from_millis(50);

/// One ordering system.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null if it is no JSON.
    pub body: Value,
    /// The body as it came.
    pub text: String,
}

impl Reply {
    /// A header's text; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A text in the body, by its JSON pointer; empty if it is not there.
    pub fn text_at(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Client {
    /// A client with this API key of the producer that listens on `address`.
    pub fn new(address: &str, key: &str) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(REQUEST_LIMIT)
            .pool_idle_timeout(IDLE_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("an HTTP client");
        Self { http, base: format!("http://{address}"), key: Some(key.to_owned()) }
    }

    /// The same client with another API key, or none.
    #[must_use]
    pub fn with_key(&self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), ..self.clone() }
    }

    /// The same client at another producer.
    #[must_use]
    pub fn at(&self, address: &str) -> Self {
        Self { base: format!("http://{address}"), ..self.clone() }
    }

    /// Any request. Fails when no answer comes.
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
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
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
            .expect("an answer to a submit")
    }

    /// Submits a job and has the producer hold the answer for up to `seconds`.
    pub async fn submit_and_wait(&self, job: &Value, seconds: u64) -> Reply {
        self.submit_with(job, &[("prefer", &format!("wait={seconds}"))]).await
    }

    /// Gets what is at `path`.
    pub async fn get(&self, path: &str) -> Reply {
        self.get_with(path, &[]).await
    }

    /// Gets what is at `path`, with further headers.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.request(Method::GET, path, headers, None).await.expect("an answer to a look")
    }

    /// Posts JSON to `path`.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        let headers = [("content-type", "application/json")];
        let body = Some(body.to_string());
        self.request(Method::POST, path, &headers, body).await.expect("an answer to a post")
    }

    /// Deletes what is at `path`.
    pub async fn delete(&self, path: &str) -> Reply {
        let answer = self.request(Method::DELETE, path, &[], None).await;
        answer.expect("an answer to a delete")
    }

    /// Polls a job's `url` until it is finished; the job. Fails the test after `limit`.
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

    /// What `what` counts on the page of metrics: a name, over all its labels, or a name with
    /// its labels. 0 if it is not there.
    pub async fn metric(&self, what: &str) -> u64 {
        let page = self.get("/metrics").await.text;
        let samples = page.lines().filter_map(|line| line.rsplit_once(' '));
        samples
            .filter(|(sample, _)| {
                sample
                    .strip_prefix(what)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
            })
            .map(|(_, count)| count.parse::<u64>().expect("a whole number"))
            .sum()
    }
}

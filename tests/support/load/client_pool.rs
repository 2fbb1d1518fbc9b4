//! The clients of a load: each submits a job, polls for its result, and records both.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use quhao_simulator::User;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::{profile::LoadProfile, webhook_inbox::WebhookInbox};
use crate::{
    client::{Client, Reply as Answer},
    history::{History, Reply, Seen, WebhookEvent, What},
    world::phone_job,
};

/// Longest that one request may take: above the producer's own limits.
pub(super) const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// Pause before another attempt, where no `retry-after` says how long.
pub(super) const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The first pause between two polls; each further one is half as long again.
const POLL_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two polls.
const POLL_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long after its deadline a job may take to be answered: the grace of the poll URL and
/// some seconds of a store that is away.
pub(super) const END_GRACE: Duration = Duration::from_secs(40);

/// The state that all clients share.
#[derive(Debug)]
pub(super) struct ClientPool {
    pub(super) profile: LoadProfile,
    pub(super) producers: Mutex<Vec<Client>>,
    /// Counts requests, so that producers take turns.
    pub(super) turn: AtomicUsize,
    /// How many clients have started.
    pub(super) started: AtomicUsize,
    pub(super) is_stopped: AtomicBool,
    pub(super) history: History,
    pub(super) inbox: WebhookInbox,
    /// The submissions, by login code.
    pub(super) submissions: Mutex<BTreeMap<String, Submission>>,
}

/// What is known of a client's job.
#[derive(Debug, Clone)]
pub(super) struct Submission {
    /// The guest's phone number.
    pub(super) phone: String,
    /// The poll URL, once the job was accepted.
    pub(super) url: Option<String>,
}

impl ClientPool {
    /// Runs one client, from submission to answer; `callback` says whether it wants one, too.
    pub(super) async fn run_client(self: Arc<Self>, user: User, callback: bool) {
        let mut job = phone_job(&user);
        job["deadline_seconds"] = json!(self.profile.deadline_seconds);
        if callback {
            job["callback_url"] = json!(self.inbox.url_of(&user.code));
        }
        self.remember(&user, None);
        let patience = Instant::now() + Duration::from_secs(self.profile.deadline_seconds);
        let url = loop {
            match self.submit(&user, &job).await {
                Ok(url) => break url,
                Err(_) if Instant::now() > patience => return,
                Err(pause) => sleep(pause).await,
            }
        };
        self.remember(&user, Some(url.clone()));
        self.follow(&user, &url).await;
    }

    fn remember(&self, user: &User, url: Option<String>) {
        let submission = Submission { phone: user.phone.clone(), url };
        locked(&self.submissions).insert(user.code.clone(), submission);
    }

    /// Submits a job once. Returns its URL if it was accepted, else how long to wait before
    /// the next attempt.
    async fn submit(&self, user: &User, job: &Value) -> Result<String, Duration> {
        let until = SystemTime::now() + Duration::from_secs(self.profile.deadline_seconds);
        let headers = [("content-type", "application/json")];
        let asked = Instant::now();
        let answer = self.request(Method::POST, "/v1/jobs", &headers, Some(job.to_string())).await;
        let url = answer.as_ref().map(|answer| answer.text_at("/url").to_owned());
        let until = url.as_deref().and_then(until_of).unwrap_or(until);
        let reply = match &answer {
            Some(answer) if answer.status == 202 => {
                Reply::Accepted { id: answer.text_at("/id").to_owned() }
            }
            Some(answer) if matches!(answer.text_at("/code"), "unconfirmed" | "timed_out") => {
                Reply::Unconfirmed
            }
            Some(answer) => {
                assert_eq!(answer.status, 503, "a submit is answered {}", answer.text);
                Reply::Refused { status: answer.status }
            }
            None => Reply::Unconfirmed,
        };
        let accepted = matches!(reply, Reply::Accepted { .. });
        let (took, callback) = (asked.elapsed(), job.get("callback_url").is_some());
        self.history.now(&user.code, What::Submitted { reply, until, took, callback });
        let pause = answer.as_ref().and_then(|answer| answer.header("retry-after").parse().ok());
        let pause = pause.map_or(RETRY_PAUSE, Duration::from_secs);
        url.filter(|_| accepted).ok_or(pause)
    }

    /// Polls until there is a result, or far beyond the deadline.
    async fn follow(&self, user: &User, url: &str) {
        let until = until_of(url).expect("a poll URL says until when") + END_GRACE;
        let mut pause = POLL_PAUSE;
        let mut last = None;
        while SystemTime::now() < until {
            if let Some(seen) = self.read(url, &user.phone).await {
                if last.as_ref() != Some(&seen) {
                    self.history.now(&user.code, What::Read(seen.clone()));
                }
                if seen != Seen::Queued {
                    return;
                }
                last = Some(seen);
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(POLL_PAUSE_MAX);
        }
    }

    /// Reads a result; `None` if no producer or no store answers.
    pub(super) async fn read(&self, url: &str, phone: &str) -> Option<Seen> {
        let answer = self.request(Method::GET, url, &[], None).await?;
        match answer.status {
            200 => Some(Seen::of(&answer.body, phone).expect("the status of a job")),
            410 => Some(Seen::Erased),
            503 => None,
            status => panic!("a read is answered {status}: {}", answer.text),
        }
    }

    /// Records the callbacks that were received since the last time.
    pub(super) fn record_callbacks(&self) {
        for (at, code, callback) in self.inbox.collect() {
            let submission = locked(&self.submissions).get(&code).cloned();
            // If no client has submitted it, the rules find that.
            let phone = submission.map(|submission| submission.phone).unwrap_or_default();
            self.history.notified(at, &code, WebhookEvent::of(&callback, &phone));
        }
    }

    /// Sends a request to the producer whose turn it is. Returns its answer, if there is one.
    async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Option<Answer> {
        let client = {
            let producers = locked(&self.producers);
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            producers.get(turn % producers.len().max(1))?.clone()
        };
        timeout(REQUEST_LIMIT, client.request(method, path, headers, body)).await.ok()?.ok()
    }
}

/// Returns the time that `expires` in a poll URL says.
fn until_of(url: &str) -> Option<SystemTime> {
    let seconds = url.rsplit_once("expires=")?.1.parse().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

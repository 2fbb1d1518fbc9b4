//! Where guests go: submits for them, polls for them, and writes down what they are told.

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

use super::{Load, WebhookInbox};
use crate::{
    client::{Client, Reply as Answer},
    history::{History, Reply, Seen, What, word::Word},
    world::phone_job,
};

/// Longest that one request may take: above the producer's own limits.
pub(super) const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// Before another attempt where nobody says how long to wait.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// Between two polls: the first pause and the longest.
const POLL_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How long after its deadline a job may take to be answered: the grace of the poll URL and
/// some seconds of a store that is away.
pub(super) const END_GRACE: Duration = Duration::from_secs(40);

/// Where guests go.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) load: Load,
    pub(super) producers: Mutex<Vec<Client>>,
    pub(super) turn: AtomicUsize,
    pub(super) came: AtomicUsize,
    pub(super) enough: AtomicBool,
    pub(super) history: History,
    pub(super) inbox: WebhookInbox,
    /// Those who came, by the codes of their jobs.
    pub(super) guests: Mutex<BTreeMap<String, Place>>,
}

/// What is known of a guest.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) phone: String,
    /// Where to look, once the job was accepted.
    pub(super) url: Option<String>,
}

impl Desk {
    /// One guest, from submission to answer. Some want a callback, too.
    pub(super) async fn attend(self: Arc<Self>, guest: User, callback: bool) {
        let mut job = phone_job(&guest);
        job["deadline_seconds"] = json!(self.load.deadline_seconds);
        if callback {
            job["callback_url"] = json!(self.inbox.url_of(&guest.code));
        }
        let place = Place { phone: guest.phone.clone(), url: None };
        locked(&self.guests).insert(guest.code.clone(), place);
        let patience = Instant::now() + Duration::from_secs(self.load.deadline_seconds);
        let url = loop {
            match self.submit(&guest, &job).await {
                Ok(url) => break url,
                Err(_) if Instant::now() > patience => return,
                Err(pause) => sleep(pause).await,
            }
        };
        let place = Place { phone: guest.phone.clone(), url: Some(url.clone()) };
        locked(&self.guests).insert(guest.code.clone(), place);
        self.follow(&guest, &url).await;
    }

    /// The job's URL if it was accepted, else how long to wait before the next attempt.
    async fn submit(&self, guest: &User, job: &Value) -> Result<String, Duration> {
        let until = SystemTime::now() + Duration::from_secs(self.load.deadline_seconds);
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
                assert_eq!(answer.status, 503, "a submit meets {}", answer.text);
                Reply::Refused { status: answer.status }
            }
            None => Reply::Unconfirmed,
        };
        let accepted = matches!(reply, Reply::Accepted { .. });
        let (took, callback) = (asked.elapsed(), job.get("callback_url").is_some());
        self.history.now(&guest.code, What::Submitted { reply, until, took, callback });
        let pause = answer.as_ref().and_then(|answer| answer.header("retry-after").parse().ok());
        let pause = pause.map_or(PAUSE, Duration::from_secs);
        url.filter(|_| accepted).ok_or(pause)
    }

    /// Polls until there is an end, or far beyond the deadline.
    async fn follow(&self, guest: &User, url: &str) {
        let until = until_of(url).expect("a poll URL says until when") + END_GRACE;
        let mut pause = POLL_PAUSE.0;
        let mut last = None;
        while SystemTime::now() < until {
            if let Some(seen) = self.look(url, &guest.phone).await {
                if last.as_ref() != Some(&seen) {
                    self.history.now(&guest.code, What::Read(seen.clone()));
                }
                if seen != Seen::Queued {
                    return;
                }
                last = Some(seen);
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(POLL_PAUSE.1);
        }
    }

    /// What is there now; `None` if nobody says.
    pub(super) async fn look(&self, url: &str, phone: &str) -> Option<Seen> {
        let answer = self.request(Method::GET, url, &[], None).await?;
        match answer.status {
            200 => Some(Seen::of(&answer.body, phone).expect("the status of a job")),
            410 => Some(Seen::Erased),
            503 => None,
            status => panic!("a look meets {status}: {}", answer.text),
        }
    }

    /// Writes down the callbacks that have come since the last time.
    pub(super) fn hear(&self) {
        for (at, code, callback) in self.inbox.collect() {
            let place = locked(&self.guests).get(&code).cloned();
            // Of nobody who came here: the rules know what to think of that.
            let phone = place.map(|place| place.phone).unwrap_or_default();
            self.history.told(at, &code, Word::of(&callback, &phone));
        }
    }

    /// The answer of the producer whose turn it is, if it gives one.
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

/// What `expires` in a poll URL says.
fn until_of(url: &str) -> Option<SystemTime> {
    let seconds = url.rsplit_once("expires=")?.1.parse().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

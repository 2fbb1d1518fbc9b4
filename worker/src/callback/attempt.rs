//! One attempt at a claimed callback: what it says, where it goes, what follows.

use std::time::{Duration, Instant};

use quhao_backend::store::{AttemptEnd, Attempted, DueCallback};
use quhao_common::{
    api::job::JobObject,
    config,
    crypto::vault::VaultError,
    domain::{
        answer::{Answer, AnswerCallback, AnswerError},
        callback_target::{CallbackBody, CallbackEvent},
        id::JobId,
        outcome::Outcome,
    },
    process::{metrics, registry::Registry},
};
use time::OffsetDateTime;
use tracing::{debug, info, warn};

use super::{
    next_attempt::{Ended, Judgement, Limits, Moment, judge},
    reason::Reason,
    request::{Request, Word},
    sender::Sender,
};

/// Makes attempts.
#[derive(Debug)]
pub struct Attempts {
    sender: Sender,
    limits: Limits,
    allow_http: bool,
}

impl Attempts {
    /// Attempts under these settings, sent by `sender`.
    pub fn new(settings: &config::Callbacks, sender: Sender) -> Self {
        Self { sender, limits: Limits::of(settings), allow_http: settings.allow_http }
    }

    /// Makes the attempt that `due` was claimed for, however late the claim is: after an
    /// outage the limits decide only whether another attempt follows.
    pub async fn make(&self, due: DueCallback, registry: &Registry) -> Attempted {
        let began = Instant::now();
        let opened = open(&due, registry);
        let id = opened.as_ref().ok().map(|(callback, _)| callback.id);
        let ready = opened.and_then(|(callback, answer)| {
            let request = self.request(&due, registry, &callback, answer)?;
            Ok((callback.url, request))
        });
        let ended = match ready {
            Ok((url, request)) => self.sender.send(&url, request).await,
            Err(reason) => Ended::Not(reason),
        };
        let at = OffsetDateTime::now_utc();
        let elapsed = Duration::try_from(at - due.created_at).unwrap_or(Duration::ZERO);
        let moment = Moment { attempt: due.attempt, elapsed, chance: rand::random() };
        let judgement = judge(ended, moment, self.limits);
        let result = ended.reason().map_or("delivered", Reason::as_str);
        metrics::callback_attempt(result, began.elapsed());
        tell(&due, id, ended, judgement, elapsed);
        Attempted {
            key: due.key,
            event: due.event,
            attempt: due.attempt,
            status: ended.status(),
            error: ended.reason().map(Reason::as_str),
            end: match judgement {
                Judgement::Delivered => AttemptEnd::Delivered,
                Judgement::Again { after } => AttemptEnd::Again { due_at: at + after },
                Judgement::Failed => AttemptEnd::Failed,
            },
            at,
        }
    }

    /// The signed request, if it may be sent by the configuration as it is now.
    fn request(
        &self,
        due: &DueCallback,
        registry: &Registry,
        callback: &AnswerCallback,
        answer: Answer,
    ) -> Result<Request, Reason> {
        let client = registry.directory.client(&due.client).ok_or(Reason::UnknownApp)?;
        let app = registry.directory.app_of(&due.client, &due.app).ok_or(Reason::UnknownApp)?;
        let in_the_clear = callback.url.is_plain_http() && !self.allow_http;
        if in_the_clear || !app.allows_callback(&callback.url) {
            return Err(Reason::NotAllowed);
        }
        if client.webhook_secrets.is_empty() {
            return Err(Reason::NoSecret);
        }
        let (ids, id) = (&registry.id_keys, callback.id);
        let job = JobObject::finished(ids, &id, (&due.client, &due.app), &due.answer, answer);
        let job = match app.callback_body {
            CallbackBody::Thin => job.thin(),
            CallbackBody::Whole => job,
        };
        let word = Word { id, event: due.event, known_at: due.answer.finished_at, job };
        Ok(word.sign(&client.webhook_secrets, OffsetDateTime::now_utc()))
    }
}

/// The answer of `due`, with where word of it goes.
fn open(due: &DueCallback, registry: &Registry) -> Result<(AnswerCallback, Answer), Reason> {
    let sealed = due.answer.answer.as_ref().ok_or(Reason::Damaged)?;
    let answer = Answer::open(&registry.vault, due.key, &due.app, sealed);
    let mut answer = answer.map_err(|error| match error {
        // After a change of secrets or version others may be able to.
        AnswerError::Vault(VaultError::UnknownKey(_)) | AnswerError::Form => Reason::Unreadable,
        AnswerError::Vault(VaultError::Damaged) => Reason::Damaged,
    })?;
    let callback = answer.callback.take().ok_or(Reason::Damaged)?;
    let now = match answer.outcome {
        Outcome::Succeeded(_) => CallbackEvent::Succeeded,
        Outcome::Failed(_) => CallbackEvent::Failed,
    };
    if now == due.event { Ok((callback, answer)) } else { Err(Reason::Superseded) }
}

/// Counts and logs what became of an attempt: never the address, never the content.
fn tell(
    due: &DueCallback,
    id: Option<JobId>,
    ended: Ended,
    judgement: Judgement,
    elapsed: Duration,
) {
    let (app, attempt, event) = (&due.app, due.attempt, due.event.type_name());
    let id = id.map_or_else(|| format!("{:?}", due.key), |id| id.to_string());
    let reason = ended.reason().map(Reason::as_str);
    let status = ended.status();
    match judgement {
        Judgement::Delivered => {
            metrics::callback_delivered(elapsed);
            debug!(id, %app, event, attempt, "callback delivered");
        }
        Judgement::Again { after } => {
            info!(id, %app, event, attempt, reason, status, ?after, "callback is tried again");
        }
        Judgement::Failed => {
            metrics::callback_failed();
            warn!(id, %app, event, attempt, reason, status, "callback given up");
        }
    }
}

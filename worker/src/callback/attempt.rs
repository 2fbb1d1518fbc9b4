//! One attempt at a claimed callback: the request, its target, and what follows.

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
    process::{
        metrics::{self, AttemptLabel},
        registry::Registry,
    },
};
use time::OffsetDateTime;
use tracing::{debug, info, warn};

use super::{
    next_attempt::{AttemptInput, AttemptResult, Limits, NextStep, decide},
    reason::Reason,
    request::{Event, Request},
    sender::Sender,
};

/// The runner of attempts at callbacks.
#[derive(Debug)]
pub struct AttemptRunner {
    sender: Sender,
    limits: Limits,
    allow_http: bool,
}

/// The stored answer of a callback, opened.
struct OpenedCallback {
    callback: AnswerCallback,
    answer: Answer,
}

/// An attempt that has ended, for the log.
struct EndedAttempt<'a> {
    due: &'a DueCallback,
    /// The job's id, if the answer could be opened.
    id: Option<JobId>,
    result: AttemptResult,
    next: NextStep,
    /// The time since the callback first became due.
    elapsed: Duration,
}

impl AttemptRunner {
    /// Creates a runner with these settings that posts with `sender`.
    pub fn new(settings: &config::Callbacks, sender: Sender) -> Self {
        Self { sender, limits: Limits::new(settings), allow_http: settings.allow_http }
    }

    /// Makes the attempt that `due` was claimed for, however late the claim is: after an
    /// outage the limits decide only whether another attempt follows.
    pub async fn run(&self, due: DueCallback, registry: &Registry) -> Attempted {
        let began = Instant::now();
        let mut id = None;
        let result = match open(&due, registry) {
            Ok(opened) => {
                id = Some(opened.callback.id);
                self.send(&due, registry, opened).await
            }
            Err(reason) => AttemptResult::Failed(reason),
        };
        let at = OffsetDateTime::now_utc();
        let elapsed = Duration::try_from(at - due.created_at).unwrap_or(Duration::ZERO);
        let input = AttemptInput { attempt: due.attempt, elapsed, chance: rand::random() };
        let next = decide(result, input, self.limits);
        let label = match result.reason() {
            Some(reason) => AttemptLabel::Failed(reason),
            None => AttemptLabel::Delivered,
        };
        metrics::callback_attempt(label, began.elapsed());
        EndedAttempt { due: &due, id, result, next, elapsed }.report();
        Attempted {
            key: due.key,
            event: due.event,
            attempt: due.attempt,
            status: result.status(),
            error: result.reason().map(Reason::as_str),
            end: match next {
                NextStep::Done => AttemptEnd::Delivered,
                NextStep::Retry { after } => AttemptEnd::Again { due_at: at + after },
                NextStep::GiveUp => AttemptEnd::Failed,
            },
            at,
        }
    }

    async fn send(
        &self,
        due: &DueCallback,
        registry: &Registry,
        opened: OpenedCallback,
    ) -> AttemptResult {
        let OpenedCallback { callback, answer } = opened;
        match self.request(due, registry, &callback, answer) {
            Ok(request) => self.sender.send(&callback.url, request).await,
            Err(reason) => AttemptResult::Failed(reason),
        }
    }

    /// Returns the signed request, if the current configuration allows to send it.
    fn request(
        &self,
        due: &DueCallback,
        registry: &Registry,
        callback: &AnswerCallback,
        answer: Answer,
    ) -> Result<Request, Reason> {
        let client = registry.directory.client(&due.client).ok_or(Reason::UnknownApp)?;
        let app = registry.directory.app_of(&due.client, &due.app).ok_or(Reason::UnknownApp)?;
        let is_unencrypted = callback.url.is_plain_http() && !self.allow_http;
        if is_unencrypted || !app.allows_callback(&callback.url) {
            return Err(Reason::NotAllowed);
        }
        if client.webhook_secrets.is_empty() {
            return Err(Reason::NoSecret);
        }
        let id = callback.id;
        let session = answer
            .session_openid()
            .map(|openid| registry.session_handle(&due.client, &due.app, openid));
        let job = JobObject::finished(&id, &due.app, session.as_ref(), &due.answer, answer);
        let job = match app.callback_body {
            CallbackBody::Thin => job.thin(),
            CallbackBody::Whole => job,
        };
        let event = Event { job_id: id, kind: due.event, known_at: due.answer.finished_at, job };
        Ok(event.sign(&client.webhook_secrets, OffsetDateTime::now_utc()))
    }
}

/// Opens the answer of `due`.
fn open(due: &DueCallback, registry: &Registry) -> Result<OpenedCallback, Reason> {
    let sealed = due.answer.answer.as_ref().ok_or(Reason::Damaged)?;
    let answer = Answer::open(&registry.vault, due.key, &due.app, sealed);
    let mut answer = answer.map_err(|error| match error {
        // After a change of secrets or of the version, other workers may be able to open it.
        AnswerError::Vault(VaultError::UnknownKey(_)) | AnswerError::Form => Reason::Unreadable,
        AnswerError::Vault(VaultError::Damaged) => Reason::Damaged,
    })?;
    let callback = answer.callback.take().ok_or(Reason::Damaged)?;
    let event = match answer.outcome {
        Outcome::Succeeded(_) => CallbackEvent::Succeeded,
        Outcome::Failed(_) => CallbackEvent::Failed,
    };
    if event == due.event {
        Ok(OpenedCallback { callback, answer })
    } else {
        Err(Reason::Superseded)
    }
}

impl EndedAttempt<'_> {
    /// Counts and logs the attempt: never its address, never its content.
    fn report(&self) {
        let DueCallback { key, app, attempt, event, .. } = self.due;
        let id = self.id.map_or_else(|| format!("{key:?}"), |id| id.to_string());
        let event = event.type_name();
        let reason = self.result.reason().map(Reason::as_str);
        let status = self.result.status();
        match self.next {
            NextStep::Done => {
                metrics::callback_delivered(self.elapsed);
                debug!(id, %app, event, attempt, "callback delivered");
            }
            NextStep::Retry { after } => {
                info!(
                    id, %app, event, attempt, reason, status, ?after,
                    "callback not delivered: it is sent again after the pause"
                );
            }
            NextStep::GiveUp => {
                metrics::callback_failed();
                warn!(
                    id, %app, event, attempt, reason, status,
                    "callback not delivered: it is given up"
                );
            }
        }
    }
}

//! A call from its arrival to its end, whatever the endpoint.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::{
    action::Action,
    call::{Answer, Call},
    code::{Codes, Use},
    desk::Desk,
    endpoint::Endpoint,
    platform::Platform,
    response::{self, Ending, Reply},
};

/// The longest that a call is kept waiting.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// A call that has not ended yet. Dropped unfinished, it counts as abandoned: the caller went away.
pub(crate) struct PendingCall<'a, T> {
    platform: &'a Platform,
    endpoint: Endpoint,
    /// The codes of this endpoint; the token endpoint has none.
    codes: Option<&'a Codes<T>>,
    /// When it arrived, if calls are recorded.
    at: Option<SystemTime>,
    pub(crate) app_id: String,
    pub(crate) code: String,
    /// What its code was used for.
    pub(crate) used: Use,
    answer: Answer,
}

impl<T> Drop for PendingCall<'_, T> {
    fn drop(&mut self) {
        let given = self.answer.is_given();
        if let (Some(codes), Use::Exchange, false) = (self.codes, self.used, given) {
            codes.mark_lost(&self.code);
        }
        let ledger = &self.desk().ledger;
        ledger.ended(self.answer, self.used != Use::Look && !given);
        if let Some(at) = self.at {
            ledger.record(Call {
                at,
                app_id: std::mem::take(&mut self.app_id),
                code: std::mem::take(&mut self.code),
                answer: self.answer,
            });
        }
    }
}

impl<'a, T> PendingCall<'a, T> {
    /// A call arrived; what it names is not known yet.
    pub(crate) fn arrived(
        platform: &'a Platform,
        endpoint: Endpoint,
        codes: Option<&'a Codes<T>>,
    ) -> Self {
        Self {
            platform,
            endpoint,
            codes,
            at: platform.desk(endpoint).ledger.arrived(),
            app_id: String::new(),
            code: String::new(),
            used: Use::Look,
            answer: Answer::Abandoned,
        }
    }

    pub(crate) fn desk(&self) -> &'a Desk {
        self.platform.desk(self.endpoint)
    }

    /// Answers as the action says; `body` is what WeChat would answer, or its error number. A latency delays
    /// only the answer: what the call does was done when it arrived.
    pub(crate) async fn finish(
        mut self,
        action: Action,
        body: Result<String, i64>,
        stop: &CancellationToken,
    ) -> Reply {
        wait(self.desk().script.latency() + action.latency(), stop).await;
        if let Action::Hang { .. } = action {
            self.answer = Answer::Hung;
            wait(LONGEST_WAIT, stop).await;
        }
        let (answer, reply) = self.perform(action, body);
        self.answer = answer;
        reply
    }

    fn perform(&self, action: Action, body: Result<String, i64>) -> (Answer, Reply) {
        let content_type = &self.platform.options.content_type;
        let json = |body: String| response::answer(StatusCode::OK, content_type, body);
        let refuse = |number| (Answer::Errcode(number), Ok(json(self.endpoint.error_body(number))));
        match action {
            Action::Normal | Action::Latency(_) => match body {
                Ok(body) => (self.endpoint.given(), Ok(json(body))),
                Err(number) => refuse(number),
            },
            Action::Errcode(number) | Action::ErrcodeBurning(number) => refuse(number),
            Action::ResetBeforeRead | Action::ResetAfterRead { .. } => {
                (Answer::Reset, Err(Ending::Reset))
            }
            Action::Hang { .. } => (Answer::Hung, Err(Ending::Reset)),
            Action::HalfAnswer { .. } => {
                let body = body.unwrap_or_else(|number| self.endpoint.error_body(number));
                (Answer::Half, Err(Ending::Raw(response::half(content_type, &body))))
            }
            Action::Html => foreign(response::html(StatusCode::OK)),
            Action::Status(status) => {
                let status = Some(status).filter(|status| (200..600).contains(status));
                let status = status.and_then(|status| StatusCode::from_u16(status).ok());
                foreign(response::html(status.unwrap_or(StatusCode::BAD_GATEWAY)))
            }
            Action::Raw { content_type, body } => {
                foreign(response::answer(StatusCode::OK, &content_type, body))
            }
            Action::EmptyBody => {
                foreign(response::answer(StatusCode::OK, content_type, Bytes::new()))
            }
        }
    }
}

fn foreign(response: Response<Full<Bytes>>) -> (Answer, Reply) {
    (Answer::Foreign(response.status().as_u16()), Ok(response))
}

/// Waits at most so long, and no longer than [`LONGEST_WAIT`] or until the simulator stops.
async fn wait(duration: Duration, stop: &CancellationToken) {
    if duration.is_zero() {
        return;
    }
    tokio::select! {
        () = tokio::time::sleep(duration.min(LONGEST_WAIT)) => {}
        () = stop.cancelled() => {}
    }
}

//! A call of any endpoint, from its arrival to its end.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use tokio_util::sync::CancellationToken;

use super::response::{Disconnect, Reply, half_response, proxy_page, response};
use crate::script::action::Action;
use crate::wechat::code::{CodeUse, Codes};
use crate::wechat::endpoint::Endpoint;
use crate::world::call_log::{Call, CallEnd};
use crate::world::frontend::Frontend;
use crate::world::platform::Platform;

/// The longest time that a call is kept waiting.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// A call that has not ended yet. If it is dropped before [`InFlightCall::finish`] ends, the caller
/// has disconnected, and the call is logged as abandoned.
pub(crate) struct InFlightCall<'a, T> {
    platform: &'a Platform,
    endpoint: Endpoint,
    /// The codes of this endpoint. The token endpoint has none.
    codes: Option<&'a Codes<T>>,
    /// When it arrived, if calls are recorded.
    at: Option<SystemTime>,
    pub(crate) app_id: String,
    pub(crate) code: String,
    /// What happened to its code.
    pub(crate) code_use: CodeUse,
    end: CallEnd,
}

impl<T> Drop for InFlightCall<'_, T> {
    fn drop(&mut self) {
        let is_success = self.end.is_success();
        if let (Some(codes), CodeUse::Exchange, false) = (self.codes, self.code_use, is_success) {
            codes.uncount_exchange(&self.code);
        }
        let call_log = &self.frontend().call_log;
        if self.code_use != CodeUse::Keep && !is_success {
            call_log.count_burnt();
        }
        call_log.count_end(self.end);
        if let Some(at) = self.at {
            call_log.record(Call {
                at,
                app_id: std::mem::take(&mut self.app_id),
                code: std::mem::take(&mut self.code),
                end: self.end,
            });
        }
    }
}

impl<'a, T> InFlightCall<'a, T> {
    /// Counts a call that arrived. Its appid and code are not known yet.
    pub(crate) fn start(
        platform: &'a Platform,
        endpoint: Endpoint,
        codes: Option<&'a Codes<T>>,
    ) -> Self {
        Self {
            platform,
            endpoint,
            codes,
            at: platform.frontend(endpoint).call_log.count_arrival(),
            app_id: String::new(),
            code: String::new(),
            code_use: CodeUse::Keep,
            end: CallEnd::Abandoned,
        }
    }

    /// Returns the script and the call log of its endpoint.
    pub(crate) fn frontend(&self) -> &'a Frontend {
        self.platform.frontend(self.endpoint)
    }

    /// Answers as the action says. `body` is what WeChat would answer, or its error number. A
    /// latency delays only the answer: what the call does was done when it arrived.
    pub(crate) async fn finish(
        mut self,
        action: Action,
        body: Result<String, i64>,
        stop: &CancellationToken,
    ) -> Reply {
        wait(self.frontend().script.latency() + action.latency(), stop).await;
        if let Action::Hang { .. } = action {
            self.end = CallEnd::Hung;
            wait(WAIT_MAX, stop).await;
        }
        let (end, reply) = self.perform(action, body);
        self.end = end;
        reply
    }

    /// Returns the reply that the action asks for, and the end that it is.
    fn perform(&self, action: Action, body: Result<String, i64>) -> (CallEnd, Reply) {
        let content_type = &self.platform.options.content_type;
        let json = |body: String| Ok(response(StatusCode::OK, content_type, body));
        let refuse = |errcode| (CallEnd::Errcode(errcode), json(self.endpoint.error_body(errcode)));
        match action {
            Action::Normal | Action::Latency(_) => match body {
                Ok(body) => (CallEnd::success_at(self.endpoint), json(body)),
                Err(errcode) => refuse(errcode),
            },
            Action::Errcode(errcode) | Action::ErrcodeBurning(errcode) => refuse(errcode),
            Action::ResetBeforeRead | Action::ResetAfterRead { .. } => {
                (CallEnd::Reset, Err(Disconnect::Reset))
            }
            Action::Hang { .. } => (CallEnd::Hung, Err(Disconnect::Reset)),
            Action::HalfAnswer { .. } => {
                let body = body.unwrap_or_else(|errcode| self.endpoint.error_body(errcode));
                (CallEnd::Half, Err(Disconnect::After(half_response(content_type, &body))))
            }
            Action::Html => foreign(proxy_page(StatusCode::OK)),
            Action::Status(status) => {
                let status = Some(status).filter(|status| (200..600).contains(status));
                let status = status.and_then(|status| StatusCode::from_u16(status).ok());
                foreign(proxy_page(status.unwrap_or(StatusCode::BAD_GATEWAY)))
            }
            Action::Raw { content_type, body } => {
                foreign(response(StatusCode::OK, &content_type, body))
            }
            Action::EmptyBody => foreign(response(StatusCode::OK, content_type, Bytes::new())),
        }
    }
}

/// Returns the end and the reply of a response that WeChat would not send.
fn foreign(response: Response<Full<Bytes>>) -> (CallEnd, Reply) {
    (CallEnd::Foreign(response.status().as_u16()), Ok(response))
}

/// Waits for this time, at most [`WAIT_MAX`], or until the simulator stops.
async fn wait(duration: Duration, stop: &CancellationToken) {
    if duration.is_zero() {
        return;
    }
    tokio::select! {
        () = tokio::time::sleep(duration.min(WAIT_MAX)) => {}
        () = stop.cancelled() => {}
    }
}

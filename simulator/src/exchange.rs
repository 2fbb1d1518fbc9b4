//! `GET /sns/jscode2session`: checks, script, answer.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::action::Action;
use crate::call::{Answer, Call};
use crate::code::{Session, Use};
use crate::errcode;
use crate::platform::Platform;
use crate::response::{self, Ending, Reply};

/// The longest that a call is kept waiting.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// The parameters of a call; those left out are empty.
#[derive(Default)]
struct Parameters<'q> {
    app_id: Cow<'q, str>,
    secret: Cow<'q, str>,
    code: Cow<'q, str>,
    grant_type: Cow<'q, str>,
}

impl<'q> Parameters<'q> {
    fn parse(query: &'q str) -> Self {
        let mut parameters = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "appid" => parameters.app_id = value,
                "secret" => parameters.secret = value,
                "js_code" => parameters.code = value,
                "grant_type" => parameters.grant_type = value,
                _ => {}
            }
        }
        parameters
    }
}

/// A call that has not ended yet. Dropped unfinished, it counts as abandoned: the caller went away.
struct PendingCall<'a> {
    platform: &'a Platform,
    parameters: &'a Parameters<'a>,
    /// When it arrived, if calls are recorded.
    at: Option<SystemTime>,
    /// What its code was used for.
    used: Use,
    answer: Answer,
}

impl Drop for PendingCall<'_> {
    fn drop(&mut self) {
        let given = self.answer == Answer::Session;
        if self.used == Use::Exchange && !given {
            self.platform.codes.mark_lost(&self.parameters.code);
        }
        self.platform.ledger.ended(self.answer, self.used != Use::Look && !given);
        if let Some(at) = self.at {
            self.platform.ledger.record(Call {
                at,
                app_id: self.parameters.app_id.to_string(),
                code: self.parameters.code.to_string(),
                answer: self.answer,
            });
        }
    }
}

/// Answers one call. The code is looked up, and used, when the call arrives; a latency delays only the answer.
pub(crate) async fn jscode2session(
    platform: &Platform,
    query: &str,
    stop: &CancellationToken,
) -> Reply {
    let parameters = Parameters::parse(query);
    let at = platform.ledger.arrived();
    let mut call = PendingCall {
        platform,
        parameters: &parameters,
        at,
        used: Use::Look,
        answer: Answer::Abandoned,
    };
    let action = platform.script.take(&parameters.code).unwrap_or_else(|| {
        if platform.script.is_busy() {
            Action::Errcode(errcode::SYSTEM_ERROR)
        } else {
            Action::Normal
        }
    });
    let using = match &action {
        action if action.is_normal() => Use::Exchange,
        action if action.burns() => Use::Burn,
        _ => Use::Look,
    };
    let found = check(platform, &parameters)
        .and_then(|()| platform.codes.take(&parameters.app_id, &parameters.code, using));
    if found.is_ok() {
        call.used = using;
    }
    wait(platform.script.latency() + action.latency(), stop).await;
    if let Action::Hang { .. } = action {
        call.answer = Answer::Hung;
        wait(LONGEST_WAIT, stop).await;
    }
    let (answer, reply) = perform(platform, action, found);
    call.answer = answer;
    reply
}

/// What WeChat checks before it looks at the code.
fn check(platform: &Platform, parameters: &Parameters<'_>) -> Result<(), i64> {
    if parameters.app_id.is_empty() {
        return Err(errcode::APPID_MISSING);
    }
    if parameters.secret.is_empty() {
        return Err(errcode::APPSECRET_MISSING);
    }
    if parameters.code.is_empty() {
        return Err(errcode::MISSING_CODE);
    }
    if parameters.grant_type != "authorization_code" {
        return Err(errcode::INVALID_GRANT_TYPE);
    }
    platform.check_app(&parameters.app_id, &parameters.secret)
}

fn perform(platform: &Platform, action: Action, found: Result<Session, i64>) -> (Answer, Reply) {
    let content_type = &platform.options.content_type;
    let json = |body: String| response::answer(StatusCode::OK, content_type, body);
    match action {
        Action::Normal | Action::Latency(_) => match found {
            Ok(session) => (Answer::Session, Ok(json(session_body(platform, session)))),
            Err(errcode) => (Answer::Errcode(errcode), Ok(json(errcode::body(errcode)))),
        },
        Action::Errcode(errcode) | Action::ErrcodeBurning(errcode) => {
            (Answer::Errcode(errcode), Ok(json(errcode::body(errcode))))
        }
        Action::ResetBeforeRead | Action::ResetAfterRead { .. } => {
            (Answer::Reset, Err(Ending::Reset))
        }
        Action::Hang { .. } => (Answer::Hung, Err(Ending::Reset)),
        Action::HalfAnswer { .. } => {
            let body = found.map_or_else(errcode::body, |session| session_body(platform, session));
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
        Action::EmptyBody => foreign(response::answer(StatusCode::OK, content_type, Bytes::new())),
    }
}

fn foreign(response: Response<Full<Bytes>>) -> (Answer, Reply) {
    (Answer::Foreign(response.status().as_u16()), Ok(response))
}

fn session_body(platform: &Platform, session: Session) -> String {
    #[derive(Serialize)]
    struct Body {
        session_key: String,
        openid: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        unionid: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        errcode: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        errmsg: Option<&'static str>,
    }
    let explicit = platform.options.explicit_success;
    let body = Body {
        session_key: session.key,
        openid: session.openid,
        unionid: session.unionid,
        errcode: explicit.then_some(0),
        errmsg: explicit.then_some(errcode::errmsg(0)),
    };
    serde_json::to_string(&body).unwrap_or_default()
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

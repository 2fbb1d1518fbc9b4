//! The source of a token: the platform, a file, or a program.

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use quhao_common::{
    domain::app::AppId,
    process::metrics::{self, CallLabel, TokenKind},
};
use secrecy::SecretString;

use super::{issued, value::FetchedToken};
use crate::platform::{CallFailure, PlatformError, wechat::api::Api};

/// The time within which the calls of one fetch begin.
const CALLS_WITHIN: Duration = Duration::from_secs(1);
/// The pause between two calls of one fetch.
const PAUSE: Duration = Duration::from_millis(200);
/// The time that a token which is issued elsewhere is used before it is looked up again.
const ISSUED_LIFETIME: Duration = Duration::from_mins(1);

/// The source of a token.
pub(super) enum Source {
    /// The platform, which issues a token for the secret of an app.
    Platform {
        /// The API to call.
        api: Arc<Api>,
        /// The app.
        app: AppId,
        /// The app's secret.
        secret: SecretString,
    },
    /// This file.
    File(PathBuf),
    /// The output of this program with these arguments.
    Command(Vec<String>),
}

/// For log lines: says which token, and nothing that may be a secret.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform { app, .. } => write!(f, "access token of app {app}"),
            Self::File(_) => f.write_str("component_token_file"),
            Self::Command(_) => f.write_str("component_token_command"),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The error of a fetch.
#[derive(Debug)]
pub(super) struct FetchError {
    /// The reason, for an operator.
    pub(super) why: &'static str,
    /// The error for the jobs that need the token.
    pub(super) error: PlatformError,
}

/// The end of a fetch.
#[derive(Debug)]
pub(super) struct EndedFetch {
    /// The time from which on the token lives: when its call began.
    pub(super) since: Instant,
    /// The token, or why there is none.
    pub(super) result: Result<FetchedToken, FetchError>,
}

impl Source {
    /// Fetches a token. Where the failure may pass it calls up to `calls_max` times within
    /// about a second.
    pub(super) async fn fetch(&self, calls_max: u32) -> EndedFetch {
        let began = Instant::now();
        let mut calls = 0;
        loop {
            let since = Instant::now();
            let result = self.call().await;
            calls += 1;
            let may_pass =
                matches!(&result, Err(error) if error.error.failure == CallFailure::NoCredential);
            if !may_pass || calls >= calls_max || began.elapsed() + PAUSE > CALLS_WITHIN {
                return EndedFetch { since, result };
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Makes one call and counts it.
    async fn call(&self) -> Result<FetchedToken, FetchError> {
        let started = Instant::now();
        match self {
            Self::Platform { api, app, secret } => {
                let result = api.access_token(app, secret).await;
                let label = match &result {
                    Ok(_) => CallLabel::Token,
                    Err(error) => CallLabel::Failed(error.failure),
                };
                metrics::token_fetched(TokenKind::Access, label, started.elapsed());
                result.map_err(refused_by_platform)
            }
            Self::File(path) => issued_token(issued::from_file(path).await, started),
            Self::Command(words) => issued_token(issued::from_command(words).await, started),
        }
    }
}

/// Returns the error of a call to the platform. A passing failure becomes `NoCredential`:
/// whatever became of the call, there was no code in it.
fn refused_by_platform(mut error: PlatformError) -> FetchError {
    use CallFailure::{Busy, NotSent, Unanswered};
    if matches!(error.failure, NotSent | Unanswered | Busy) {
        error.failure = CallFailure::NoCredential;
    }
    FetchError { why: "the platform issued none", error }
}

/// Returns the token that is issued elsewhere, and counts its look-up.
fn issued_token(
    text: Result<SecretString, &'static str>,
    started: Instant,
) -> Result<FetchedToken, FetchError> {
    let result = match text {
        Ok(text) => Ok(FetchedToken { text, lifetime: ISSUED_LIFETIME }),
        Err(why) => Err(FetchError { why, error: CallFailure::NoCredential.into() }),
    };
    let label = match &result {
        Ok(_) => CallLabel::Token,
        Err(_) => CallLabel::Failed(CallFailure::NoCredential),
    };
    metrics::token_fetched(TokenKind::Component, label, started.elapsed());
    result
}

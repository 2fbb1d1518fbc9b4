//! Where a token comes from.

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use quhao_common::{domain::app::AppId, process::metrics};
use secrecy::SecretString;

use super::{Fetched, issued};
use crate::platform::{ExchangeError, Trouble, wechat::api::Api};

/// The calls of one fetch begin within this time.
const CALLS_WITHIN: Duration = Duration::from_secs(1);
/// Between two calls of one fetch.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a token that is issued elsewhere is used before it is looked up again.
const ISSUED_LIFE: Duration = Duration::from_mins(1);

/// Where a token comes from.
pub enum Source {
    /// From the platform, for the secret of this app.
    Platform {
        /// Whom to ask.
        api: Arc<Api>,
        /// The app.
        app: AppId,
        /// Its secret.
        secret: SecretString,
    },
    /// From this file.
    File(PathBuf),
    /// From the output of this program with these arguments.
    Command(Vec<String>),
}

/// For log lines: says which token, and nothing that somebody may hold for a secret.
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

/// A fetch gave none.
#[derive(Debug)]
pub struct NoToken {
    /// Why, for an operator.
    pub why: &'static str,
    /// What it means for a job.
    pub error: ExchangeError,
}

impl Source {
    /// Fetches a token; from when on it lives. Where the trouble passes it calls up to
    /// `calls_max` times within about a second.
    pub async fn fetch(&self, calls_max: u32) -> (Instant, Result<Fetched, NoToken>) {
        let began = Instant::now();
        let mut calls = 0;
        loop {
            let started = Instant::now();
            let result = self.call().await;
            calls += 1;
            let passes =
                matches!(&result, Err(error) if error.error.trouble == Trouble::NoCredential);
            if !passes || calls >= calls_max || began.elapsed() + PAUSE > CALLS_WITHIN {
                return (started, result);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn call(&self) -> Result<Fetched, NoToken> {
        let started = Instant::now();
        let (kind, label, result) = match self {
            Self::Platform { api, app, secret } => {
                let result = api.access_token(app, secret).await;
                let label =
                    result.as_ref().map_or_else(|error| error.trouble.as_str(), |_| "token");
                ("access", label, result.map_err(not_given))
            }
            Self::File(path) => issued_as(issued::from_file(path).await),
            Self::Command(words) => issued_as(issued::from_command(words).await),
        };
        metrics::token_fetched(kind, label, started.elapsed());
        result
    }
}

/// The platform gave none. Whatever the call was, no code was in it.
fn not_given(mut error: ExchangeError) -> NoToken {
    if matches!(error.trouble, Trouble::NotSent | Trouble::Unanswered | Trouble::Busy) {
        error.trouble = Trouble::NoCredential;
    }
    NoToken { why: "the platform gave none", error }
}

fn issued_as(
    text: Result<SecretString, &'static str>,
) -> (&'static str, &'static str, Result<Fetched, NoToken>) {
    match text {
        Ok(text) => ("component", "token", Ok(Fetched { text, life: ISSUED_LIFE })),
        Err(why) => {
            let error = Trouble::NoCredential.into();
            ("component", Trouble::NoCredential.as_str(), Err(NoToken { why, error }))
        }
    }
}

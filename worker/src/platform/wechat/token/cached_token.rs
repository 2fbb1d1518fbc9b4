//! One token, cached for all jobs of this process, and the fetch that is under way for it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::{
    lifecycle::{FailureInput, FetchPlan, Lifecycle, TokenAction},
    source::{FetchError, Source},
    value::{FetchedToken, Token},
};
use crate::{
    minute::into_minute,
    platform::{CallFailure, PlatformError},
};

/// One token.
#[derive(Debug)]
pub(in crate::platform::wechat) struct CachedToken {
    source: Source,
    lifecycle: Mutex<Lifecycle>,
    /// Wakes those who wait whenever a fetch has ended.
    fetch_ended: watch::Sender<()>,
}

impl CachedToken {
    /// Creates a cache without a token that fetches from `source`.
    pub(super) fn new(source: Source) -> Self {
        Self { source, lifecycle: Mutex::default(), fetch_ended: watch::Sender::default() }
    }

    /// Waits until the token may be used. It is ready at once if it may be, or if the last fetch
    /// failed and this caller is not the one to try again. However many wait, one fetch is
    /// under way.
    pub(in crate::platform::wechat) async fn ready(self: &Arc<Self>) -> Result<(), PlatformError> {
        loop {
            let (action, mut fetch_ended) = {
                let mut lifecycle = self.lifecycle();
                // Under the lock, or the end of a fetch could be missed.
                (lifecycle.next(Instant::now()), self.fetch_ended.subscribe())
            };
            match action {
                TokenAction::Use => return Ok(()),
                TokenAction::Renew(plan) => {
                    self.start_fetch(plan);
                    return Ok(());
                }
                TokenAction::Fetch(plan) => self.start_fetch(plan),
                TokenAction::Wait => {}
                TokenAction::GiveUp(error) => return Err(error),
            }
            // Cannot fail: this owns the sender.
            let _ = fetch_ended.changed().await;
        }
    }

    /// Returns the token, if there is one that may be used.
    pub(in crate::platform::wechat) fn token(&self) -> Option<Token> {
        self.lifecycle().token(Instant::now())
    }

    /// Reports the result of a call with `token`. A refused token is fetched anew at once, unless
    /// another call has reported it before, so that some time passes between the refusal and the
    /// next try.
    pub(in crate::platform::wechat) fn report<T>(
        self: &Arc<Self>,
        token: &Token,
        result: &Result<T, PlatformError>,
    ) {
        let Err(PlatformError { failure: CallFailure::CredentialRefused, .. }) = result else {
            return;
        };
        let action = {
            let mut lifecycle = self.lifecycle();
            lifecycle.refused(token);
            lifecycle.next(Instant::now())
        };
        if let TokenAction::Renew(plan) | TokenAction::Fetch(plan) = action {
            self.start_fetch(plan);
        }
    }

    /// Returns whether dropping it would lose anything.
    pub(super) fn is_in_use(&self) -> bool {
        self.lifecycle().is_in_use(Instant::now())
    }

    fn lifecycle(&self) -> MutexGuard<'_, Lifecycle> {
        self.lifecycle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a fetch in a task of its own: whoever waits for it may go away. It ends within the
    /// time limits of its calls.
    fn start_fetch(self: &Arc<Self>, plan: FetchPlan) {
        let fetch = Fetch { cached: Arc::clone(self), since: Instant::now(), result: None };
        tokio::spawn(fetch.run(plan));
    }

    fn end_fetch(&self, result: Result<FetchedToken, FetchError>, since: Instant) {
        let source = &self.source;
        let mut lifecycle = self.lifecycle();
        match result {
            Ok(fetched) => {
                if lifecycle.error().is_some() {
                    info!(%source, "token fetched: calls that need it are made again");
                }
                lifecycle.fetched(fetched, since, rand::random());
            }
            Err(FetchError { why, error }) => {
                let is_known = lifecycle.error().is_some_and(|before| {
                    before.failure == error.failure && before.platform_code == error.platform_code
                });
                if is_known {
                    debug!(%source, why, %error, "token not fetched again; the next try follows");
                } else {
                    warn!(
                        %source, why, %error,
                        "token not fetched: calls that need it wait for the next try or fail"
                    );
                }
                let now = Instant::now();
                let chance = rand::random();
                let input = FailureInput { now, into_minute: into_minute(), chance };
                lifecycle.failed(error, input);
            }
        }
        drop(lifecycle);
        self.fetch_ended.send_replace(());
    }
}

/// A fetch under way. However it ends, those who wait for it are woken.
struct Fetch {
    cached: Arc<CachedToken>,
    since: Instant,
    result: Option<Result<FetchedToken, FetchError>>,
}

impl Fetch {
    async fn run(mut self, plan: FetchPlan) {
        tokio::time::sleep(plan.after).await;
        let fetched = self.cached.source.fetch(plan.calls_max).await;
        self.since = fetched.since;
        self.result = Some(fetched.result);
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        let result = self.result.take().unwrap_or_else(|| {
            Err(FetchError { why: "the fetch panicked", error: CallFailure::NoCredential.into() })
        });
        self.cached.end_fetch(result, self.since);
    }
}

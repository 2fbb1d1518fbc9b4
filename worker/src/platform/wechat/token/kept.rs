//! One token, kept for all jobs of this process, and the fetch that is under way for it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::{
    Fetched, Token,
    source::{NoToken, Source},
    state::{Next, Plan, State},
};
use crate::{
    minute::into_minute,
    platform::{ExchangeError, Trouble},
};

/// One token.
#[derive(Debug)]
pub struct Kept {
    source: Source,
    state: Mutex<State>,
    /// Tells of every fetch that ended.
    ended: watch::Sender<()>,
}

impl Kept {
    /// None yet; it comes from `source`.
    pub fn new(source: Source) -> Self {
        Self { source, state: Mutex::default(), ended: watch::Sender::default() }
    }

    /// Waits until the token may be used. Ready at once if it may, or if the last fetch
    /// failed and this caller is not the one to try again. However many wait, one fetch is
    /// under way.
    pub async fn ready(self: &Arc<Self>) -> Result<(), ExchangeError> {
        loop {
            let (next, mut ended) = {
                let mut state = self.state();
                // Under the lock, or the end of a fetch could be missed.
                (state.next(Instant::now()), self.ended.subscribe())
            };
            match next {
                Next::Use => return Ok(()),
                Next::Renew(plan) => {
                    self.begin(plan);
                    return Ok(());
                }
                Next::Fetch(plan) => self.begin(plan),
                Next::Wait => {}
                Next::DoWithout(error) => return Err(error),
            }
            // Cannot fail: the sender is ours.
            let _ = ended.changed().await;
        }
    }

    /// The token, if there is one that may be used.
    pub fn token(&self) -> Option<Token> {
        self.state().token(Instant::now())
    }

    /// The platform refused `token`. It is fetched anew at once, unless somebody else has
    /// noticed before, so that some time passes between that and the next try.
    pub fn refused(self: &Arc<Self>, token: &Token) {
        let next = {
            let mut state = self.state();
            state.refused(token);
            state.next(Instant::now())
        };
        if let Next::Renew(plan) | Next::Fetch(plan) = next {
            self.begin(plan);
        }
    }

    /// Whether forgetting it would lose anything.
    pub fn is_in_use(&self) -> bool {
        self.state().is_in_use(Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task of its own: whoever waits may go away. It ends by its calls' time limits.
    fn begin(self: &Arc<Self>, plan: Plan) {
        let fetch = Fetch { kept: Arc::clone(self), since: Instant::now(), result: None };
        tokio::spawn(fetch.run(plan));
    }

    fn end(&self, result: Result<Fetched, NoToken>, since: Instant) {
        let source = &self.source;
        let mut state = self.state();
        match result {
            Ok(fetched) => {
                if state.trouble().is_some() {
                    info!(%source, "tokens are to be had again");
                }
                state.fetched(fetched, since, rand::random());
            }
            Err(NoToken { why, error }) => {
                let known = state.trouble().is_some_and(|before| {
                    (before.trouble, before.platform_code) == (error.trouble, error.platform_code)
                });
                if known {
                    debug!(%source, why, %error, "there is still no token");
                } else {
                    warn!(%source, why, %error, "there is no token to be had");
                }
                state.failed(error, Instant::now(), into_minute(), rand::random());
            }
        }
        drop(state);
        self.ended.send_replace(());
    }
}

/// A fetch under way. However it ends, those that wait for it are told.
struct Fetch {
    kept: Arc<Kept>,
    since: Instant,
    result: Option<Result<Fetched, NoToken>>,
}

impl Fetch {
    async fn run(mut self, plan: Plan) {
        tokio::time::sleep(plan.after).await;
        let kept = Arc::clone(&self.kept);
        let (since, result) = kept.source.fetch(plan.calls_max).await;
        (self.since, self.result) = (since, Some(result));
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        let broken =
            || Err(NoToken { why: "the fetch broke", error: Trouble::NoCredential.into() });
        let result = self.result.take().unwrap_or_else(broken);
        self.kept.end(result, self.since);
    }
}

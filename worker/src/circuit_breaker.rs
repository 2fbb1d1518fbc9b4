//! Circuit breakers: calls for an app that fails, or is over its quota, are held back for a
//! while. Then one call at a time, the probe, tests whether that is over. So one app's failures
//! cost the others nothing, and the platform is not called in vain.
//!
//! - `call_result`: what a call says about the platform, and the causes to hold calls back.
//! - `breaker`: when calls are held back, and when one of them is a probe. Pure.
//! - here: the breakers of all apps, one for each kind of call, since a platform may answer one
//!   kind and not the other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use quhao_common::{domain::app::AppId, process::metrics};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{minute::into_minute, platform::Call};
use breaker::{Admission, Breaker, BreakerInput, Probe};
use call_result::{CallResult, Cause};

mod breaker;
pub(crate) mod call_result;

#[cfg(test)]
mod tests;

/// The interval between two clean-ups of breakers that nobody asks for.
const CLEAN_UP_EVERY: Duration = Duration::from_secs(5);

/// The circuit breakers of a worker. Only apps whose calls fail have one.
#[derive(Debug, Default)]
pub(crate) struct CircuitBreakers(Mutex<Breakers>);

type Breakers = HashMap<BreakerKey, WatchedBreaker>;

/// The calls that one breaker covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct BreakerKey {
    app: AppId,
    call: Call,
}

#[derive(Debug, Default)]
struct WatchedBreaker {
    breaker: Breaker,
    /// Wakes jobs that wait when it is worth asking again.
    changed: watch::Sender<()>,
}

/// The breaker's decision about one call.
#[derive(Debug)]
pub(crate) enum Decision {
    /// The call may be made now.
    Allowed(Permit),
    /// The call may not be made now.
    Rejected(Rejected),
}

/// A call that is held back.
#[derive(Debug)]
pub(crate) struct Rejected {
    /// The cause.
    pub(crate) cause: Cause,
    /// The longest wait until it is worth asking again; `None` if the cause will outlive the
    /// job.
    pub(crate) pause: Option<Duration>,
    changed: watch::Receiver<()>,
}

impl Rejected {
    /// Waits until it is worth asking again: for the pause, or until the breaker changes.
    pub(crate) async fn wait(mut self) {
        let pause = sleep(self.pause.unwrap_or_default());
        tokio::select! {
            () = pause => {}
            // The sender is dropped with its breaker: that is a change, too.
            _ = self.changed.changed() => {}
        }
    }
}

/// Permission to make one call. Dropping it unused lets another call be the probe.
#[derive(Debug)]
pub(crate) struct Permit {
    breakers: Arc<CircuitBreakers>,
    key: BreakerKey,
    probe: Option<Probe>,
}

impl Permit {
    /// Reports the call's result to the breaker.
    pub(crate) fn record(mut self, result: CallResult) {
        let probe = self.probe.take();
        let input = BreakerInput {
            now: Instant::now(),
            into_minute: into_minute(),
            chance: rand::random(),
        };
        let mut all = self.breakers.lock();
        if result != CallResult::Answered {
            all.entry(self.key.clone()).or_default();
        }
        update(&mut all, &self.key, |watched| watched.breaker.record(probe, result, input));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(probe) = self.probe.take() {
            let mut all = self.breakers.lock();
            update(&mut all, &self.key, |watched| watched.breaker.cancel(probe));
        }
    }
}

impl CircuitBreakers {
    /// Asks for permission to make `call` for `app`. Whoever gets it makes the call at once.
    pub(crate) fn ask(self: &Arc<Self>, app: &AppId, call: Call) -> Decision {
        let key = BreakerKey { app: app.clone(), call };
        let admission = update(&mut self.lock(), &key, |watched| {
            // Under the lock, or a change could be missed.
            let changed = watched.changed.subscribe();
            (watched.breaker.admit(Instant::now(), rand::random()), changed)
        });
        let (cause, pause, changed) = match admission {
            None => return self.permit(key, None),
            Some((Admission::Call(probe), _)) => return self.permit(key, probe),
            Some((Admission::Wait { pause, cause }, changed)) => (cause, Some(pause), changed),
            Some((Admission::GiveUp { cause }, changed)) => (cause, None, changed),
        };
        Decision::Rejected(Rejected { cause, pause, changed })
    }

    fn permit(self: &Arc<Self>, key: BreakerKey, probe: Option<Probe>) -> Decision {
        Decision::Allowed(Permit { breakers: Arc::clone(self), key, probe })
    }

    /// Drops what is out of date, and updates the metric of open breakers.
    fn clean_up(&self) {
        let now = Instant::now();
        let mut all = self.lock();
        let keys: Vec<_> = all.keys().cloned().collect();
        for key in keys {
            update(&mut all, &key, |watched| watched.breaker.expire(now));
        }
        report_open(&all);
    }

    fn lock(&self) -> MutexGuard<'_, Breakers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

/// Drops what is out of date now and then, until `stop`: the jobs that would ask for it may
/// never come.
pub(crate) async fn clean_up_until(breakers: Arc<CircuitBreakers>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        breakers.clean_up();
        let _ = stop.run_until_cancelled(sleep(CLEAN_UP_EVERY)).await;
    }
}

/// Calls `change` with the breaker of `key`, if there is one. Then wakes those who wait, drops
/// the breaker if it is not in use, and logs if it opened or closed.
fn update<R>(
    all: &mut Breakers,
    key: &BreakerKey,
    change: impl FnOnce(&mut WatchedBreaker) -> R,
) -> Option<R> {
    let watched = all.get_mut(key)?;
    let before = watched.breaker.open();
    let result = change(watched);
    let after = watched.breaker.open();
    // While a probe is under way there is nothing to ask for.
    if before != after && !after.is_some_and(|open| open.is_probed()) {
        watched.changed.send_replace(());
    }
    if !watched.breaker.is_in_use() {
        all.remove(key);
    }
    let cause_before = before.map(|open| open.cause);
    let cause_after = after.map(|open| open.cause);
    if cause_before != cause_after {
        log(key, cause_before, cause_after);
        report_open(all);
    }
    Some(result)
}

fn log(key: &BreakerKey, before: Option<Cause>, after: Option<Cause>) {
    let BreakerKey { app, call } = key;
    match (before, after) {
        (_, Some(cause)) => {
            let cause = cause.as_str();
            warn!(%app, ?call, cause, "circuit breaker open: calls for this app are held back");
        }
        (Some(cause), None) => {
            let cause = cause.as_str();
            info!(%app, ?call, cause, "circuit breaker closed: calls for this app are made again");
        }
        (None, None) => {}
    }
}

fn report_open(all: &Breakers) {
    for cause in Cause::ALL {
        let open = all.values().filter_map(|watched| watched.breaker.open());
        metrics::circuits_open(cause, open.filter(|open| open.cause == cause).count());
    }
}

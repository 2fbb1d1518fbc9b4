//! An app whose calls fail, or that is over its quota, is left alone for a while; then one
//! call at a time tries whether it is over. So one app's trouble costs the others nothing,
//! and the platform is not called in vain.
//!
//! - `signal`: what a call tells, and for what calls are held back.
//! - `state`: when they are held back, and when one of them is a probe. Pure.
//! - here: the circuits of all apps in trouble, one for each kind of call, since a platform
//!   may answer one and not the other.

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
use call_result::{Cause, Signal};
use state::{Moment, Next, State, Ticket};

pub mod call_result;
pub mod state;

/// How often what time has settled is cleared away where nobody asks.
const CLEAR_EVERY: Duration = Duration::from_secs(5);

/// The circuits of a worker. Only apps in trouble have one.
#[derive(Debug, Default)]
pub struct Circuits(Mutex<Places>);

type Places = HashMap<Place, Circuit>;

/// Whose calls, and which.
type Place = (AppId, Call);

#[derive(Debug, Default)]
struct Circuit {
    state: State,
    /// Tells those who wait that it is worth asking again.
    changed: watch::Sender<()>,
}

/// Whether a call may be made.
#[derive(Debug)]
pub enum Gate {
    /// Now.
    Go(Pass),
    /// Not now.
    Held(Held),
}

/// A call that is held back.
#[derive(Debug)]
pub struct Held {
    /// Why.
    pub cause: Cause,
    /// For how long at most, unless it will not be over while the job lives.
    pub pause: Option<Duration>,
    changed: watch::Receiver<()>,
}

impl Held {
    /// Waits until it is worth asking again: for the pause, or until something changes.
    pub async fn over(mut self) {
        let pause = sleep(self.pause.unwrap_or_default());
        tokio::select! {
            () = pause => {}
            // The sender goes when the circuit does: that is a change, too.
            _ = self.changed.changed() => {}
        }
    }
}

/// Leave to make one call. Dropped without a word it lets the next one try.
#[derive(Debug)]
pub struct Pass {
    circuits: Arc<Circuits>,
    place: Place,
    ticket: Option<Ticket>,
}

impl Pass {
    /// The call was made, and told this.
    pub fn told(mut self, signal: Signal) {
        let Some(ticket) = self.ticket.take() else { return };
        let now = Instant::now();
        let moment = Moment { now, into_minute: into_minute(), chance: rand::random() };
        let told = |circuit: &mut Circuit| circuit.state.told(ticket, signal, moment);
        let mut all = self.circuits.all();
        if signal != Signal::Answered {
            all.entry(self.place.clone()).or_default();
        }
        change(&mut all, &self.place, told);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let gave_up = |circuit: &mut Circuit| circuit.state.gave_up(ticket);
            change(&mut self.circuits.all(), &self.place, gave_up);
        }
    }
}

impl Circuits {
    /// Asks for leave to make `call` for `app`. Whoever gets it calls at once.
    pub fn ask(self: &Arc<Self>, app: &AppId, call: Call) -> Gate {
        let place = (app.clone(), call);
        let asked = change(&mut self.all(), &place, |circuit| {
            // Under the lock, or a change could be missed.
            let changed = circuit.changed.subscribe();
            (circuit.state.next(Instant::now(), rand::random()), changed)
        });
        let ticket = match asked {
            None => Ticket::PLAIN,
            Some((Next::Call(ticket), _)) => ticket,
            Some((Next::Wait(pause, cause), changed)) => {
                return Gate::Held(Held { cause, pause: Some(pause), changed });
            }
            Some((Next::DoWithout(cause), changed)) => {
                return Gate::Held(Held { cause, pause: None, changed });
            }
        };
        Gate::Go(Pass { circuits: Arc::clone(self), place, ticket: Some(ticket) })
    }

    /// Whether no app is in trouble.
    pub fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// Forgets what time has settled, and tells how many circuits are open.
    fn clear(&self) {
        let now = Instant::now();
        let mut all = self.all();
        let places: Vec<_> = all.keys().cloned().collect();
        for place in places {
            change(&mut all, &place, |circuit| circuit.state.pass(now));
        }
        count(&all);
    }

    fn all(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets now and then what time has settled, until `stop`: whoever would ask for it may
/// never come.
pub async fn watch(circuits: Arc<Circuits>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        circuits.clear();
        let _ = stop.run_until_cancelled(sleep(CLEAR_EVERY)).await;
    }
}

/// Does `act` with the circuit of `place`, if there is one, and what follows from it.
fn change<R>(all: &mut Places, place: &Place, act: impl FnOnce(&mut Circuit) -> R) -> Option<R> {
    let circuit = all.get_mut(place)?;
    let before = circuit.state.open();
    let result = act(circuit);
    let after = circuit.state.open();
    // While a probe is under way there is nothing to ask for.
    if before != after && !after.is_some_and(|open| open.is_probed()) {
        circuit.changed.send_replace(());
    }
    if !circuit.state.is_in_use() {
        all.remove(place);
    }
    let [was, is] = [before, after].map(|open| open.map(|open| open.cause));
    if was != is {
        log(place, was, is);
        count(all);
    }
    Some(result)
}

fn log((app, call): &Place, was: Option<Cause>, is: Option<Cause>) {
    match (was, is) {
        (_, Some(cause)) => {
            warn!(%app, ?call, cause = cause.as_str(), "calls for this app are held back");
        }
        (Some(cause), None) => {
            info!(%app, ?call, cause = cause.as_str(), "calls for this app go out again");
        }
        (None, None) => {}
    }
}

fn count(all: &Places) {
    for cause in Cause::ALL {
        let is_open = |circuit: &&Circuit| circuit.state.open().is_some_and(|o| o.cause == cause);
        metrics::circuits_open(cause.as_str(), all.values().filter(is_open).count());
    }
}

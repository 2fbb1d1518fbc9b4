//! Word of results: claims callbacks that are due, sends them, records what became of it.
//!
//! A callback is due from the commit that wrote its answer, so none is lost. It is sent at
//! least once: who dies between sending and recording leaves it to the next claim, after the
//! lease, under the same `webhook-id`.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use quhao_backend::store::{Attempted, Claim, DueCallback, Store, StoreError};
use quhao_common::{
    config::Config,
    domain::app::ClientName,
    process::{metrics, per_client_share::PerClientShare, registry::Live},
};
use tokio::{
    sync::{Notify, mpsc},
    task::{JoinError, JoinSet},
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub mod attempt;
pub mod guard;
pub mod next_attempt;
pub mod permit;
pub mod reason;
pub mod request;
pub mod resolver;
pub mod sender;

use crate::health::Health;
use attempt::Attempts;
use permit::Place;
use sender::Sender;

/// One client is claimed callbacks for until it has this part of the concurrency under way: a
/// quarter. Since a claim brings a quarter at most, one slow receiver leaves half to others.
const CLIENT_PARTS: usize = 4;
/// Between two looks at what is due: retries, and what other workers left.
const EVERY: Duration = Duration::from_secs(1);
/// How long recording an attempt may take before others may claim its callback.
const RECORD_MAX: Duration = Duration::from_secs(10);
/// Between two tries to record, while nothing else is done any more.
const AGAIN: Duration = Duration::from_millis(500);

/// The callbacks of one worker.
#[derive(Debug)]
pub struct Callbacks {
    store: Arc<Store>,
    live: Arc<Live>,
    attempts: Arc<Attempts>,
    due: Arc<Notify>,
    concurrency: usize,
    lease: Duration,
}

/// What is under way, and what has ended and is not recorded yet.
#[derive(Debug)]
struct Work {
    share: PerClientShare,
    /// Tells of every place that its client has left.
    left: (mpsc::UnboundedSender<ClientName>, mpsc::UnboundedReceiver<ClientName>),
    tasks: JoinSet<Option<Attempted>>,
    ended: Vec<Attempted>,
    /// There was more to claim when it was last looked.
    more: bool,
    store_down: bool,
}

impl Callbacks {
    /// Those that `config` describes. Must be built before `due` is notified.
    pub fn new(config: &Config, store: Arc<Store>) -> Result<Self, reqwest::Error> {
        Ok(Self::sent_by(Sender::new(&config.callbacks)?, config, store))
    }

    /// The same, sent by `sender`.
    pub fn sent_by(sender: Sender, config: &Config, store: Arc<Store>) -> Self {
        let settings = &config.callbacks;
        Self {
            store,
            live: Arc::clone(&config.live),
            attempts: Arc::new(Attempts::new(settings, sender)),
            due: Arc::new(Notify::new()),
            concurrency: settings.concurrency,
            lease: settings.timeout + RECORD_MAX,
        }
    }

    /// To be notified after a commit that made callbacks due.
    pub fn due(&self) -> Arc<Notify> {
        Arc::clone(&self.due)
    }

    /// Sends what is due until `draining`; then ends the attempts that are under way and
    /// records them. What is not recorded comes again after its lease.
    ///
    /// While the clock is not known to be right nothing is claimed: receivers refuse what
    /// was signed at another time, and a callback seems to be out of time when it is not.
    pub async fn run(self, health: Arc<Health>, draining: CancellationToken) {
        let mut work = Work::new(self.concurrency);
        let mut look = interval(EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => work.more = true,
                () = self.due.notified() => work.more = true,
                Some(ended) = work.tasks.join_next() => work.end(ended),
                Some(client) = work.left.1.recv() => work.leave(&client),
                () = draining.cancelled() => break,
            }
            self.record(&mut work).await;
            // Who cannot record would claim what it must not forget.
            let may_claim = work.ended.is_empty() && health.is_clock_right();
            if work.more && may_claim && !draining.is_cancelled() {
                self.claim(&mut work).await;
            }
        }
        while let Some(ended) = work.tasks.join_next().await {
            work.end(ended);
            self.record(&mut work).await;
        }
        while !work.ended.is_empty() {
            sleep(AGAIN).await;
            self.record(&mut work).await;
        }
    }

    /// Claims and starts as many as there is room for.
    async fn claim(&self, work: &mut Work) {
        loop {
            while let Ok(client) = work.left.1.try_recv() {
                work.leave(&client);
            }
            let max = work.share.batch_max();
            if max == 0 {
                return;
            }
            let except = work.share.full_clients();
            let claim = Claim {
                max: u32::try_from(max).unwrap_or(u32::MAX),
                lease: self.lease,
                except: &except,
            };
            let claimed = match self.store.claim_callbacks(claim).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    work.more = false;
                    return work.store_fails(&error);
                }
            };
            work.store_answers();
            let all = claimed.len() < max;
            for due in claimed {
                self.start(due, work);
            }
            if all {
                work.more = !except.is_empty();
                return;
            }
        }
    }

    fn start(&self, due: DueCallback, work: &mut Work) {
        let (attempts, registry) = (Arc::clone(&self.attempts), self.live.now());
        let place = Place::new(due.client.clone(), work.left.0.clone());
        work.share.take(&due.client);
        work.tasks.spawn(place.keep(async move {
            AssertUnwindSafe(attempts.make(due, &registry)).catch_unwind().await.ok()
        }));
        metrics::callbacks_under_way(work.share.in_use());
    }

    /// Records what has ended. What the store cannot take now is kept; what it will never
    /// take is left to the next claim.
    async fn record(&self, work: &mut Work) {
        while let Some(ended) = work.tasks.try_join_next() {
            work.end(ended);
        }
        if work.ended.is_empty() {
            return;
        }
        match self.store.record_callbacks(&work.ended).await {
            Ok(()) => {
                work.ended.clear();
                work.store_answers();
            }
            Err(error @ StoreError::Unavailable(_)) => work.store_fails(&error),
            Err(error) => {
                error!(%error, "the store refused what became of callbacks; they come again");
                work.ended.clear();
            }
        }
    }
}

impl Work {
    fn new(concurrency: usize) -> Self {
        Self {
            share: PerClientShare::new(concurrency, CLIENT_PARTS),
            left: mpsc::unbounded_channel(),
            tasks: JoinSet::new(),
            ended: Vec::new(),
            more: false,
            store_down: false,
        }
    }

    fn leave(&mut self, client: &ClientName) {
        self.share.put_back(client);
        metrics::callbacks_under_way(self.share.in_use());
    }

    fn end(&mut self, ended: Result<Option<Attempted>, JoinError>) {
        // A task is never aborted while there is somebody to hear of it, and panics are
        // caught inside.
        let Ok(attempted) = ended else { return };
        if attempted.is_none() {
            error!("sending a callback panicked; it comes again after its lease");
        }
        self.ended.extend(attempted);
    }

    fn store_fails(&mut self, error: &StoreError) {
        if !std::mem::replace(&mut self.store_down, true) {
            warn!(%error, "callbacks wait until the store is back");
        }
    }

    fn store_answers(&mut self) {
        if std::mem::replace(&mut self.store_down, false) {
            info!("callbacks go on");
        }
    }
}

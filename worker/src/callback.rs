//! Sends webhooks: claims callbacks that are due, posts them, and records the results.
//!
//! A callback is due from the commit that wrote its answer, so none is lost. It is sent at
//! least once: if a worker dies between sending and recording, the callback is claimed again
//! after its lease and sent with the same `webhook-id`.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use quhao_backend::store::{Attempted, Claim, DueCallback, Store, StoreError};
use quhao_common::{
    config::Config,
    domain::client::ClientName,
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
mod guard;
pub mod next_attempt;
mod permit;
pub mod reason;
pub mod request;
pub mod resolver;
pub mod sender;

use crate::health::Health;
use attempt::AttemptRunner;
use permit::CallbackPermit;
use sender::Sender;

/// The interval between two claims if no commit asks for one: it finds retries, and what other
/// workers left.
const CLAIM_EVERY: Duration = Duration::from_secs(1);
/// One client's part of the concurrency: it gets no more callbacks while it has a quarter under
/// way. Since a claim brings a quarter at most, one slow receiver leaves half to others.
const CLIENT_PARTS: usize = 4;
/// The longest time that recording an attempt may take before others may claim its callback.
const RECORD_MAX: Duration = Duration::from_secs(10);
/// The pause between two tries to record during a drain, when nothing else is left to do.
const RECORD_RETRY: Duration = Duration::from_millis(500);

/// The sending of callbacks by one worker.
#[derive(Debug)]
pub struct Callbacks {
    store: Arc<Store>,
    live: Arc<Live>,
    runner: Arc<AttemptRunner>,
    due: Arc<Notify>,
    concurrency: usize,
    lease: Duration,
}

/// The attempts that are under way, and those that have ended and are not recorded yet.
#[derive(Debug)]
struct ActiveAttempts {
    share: PerClientShare,
    /// Permits send the name of their client here when they are dropped.
    permit_returns: mpsc::UnboundedSender<ClientName>,
    returned_permits: mpsc::UnboundedReceiver<ClientName>,
    tasks: JoinSet<Option<Attempted>>,
    unrecorded: Vec<Attempted>,
    /// Whether more callbacks may be due than have been claimed.
    more_may_be_due: bool,
    store_is_down: bool,
}

impl Callbacks {
    /// Creates the sending that `config` describes. It must exist before `due` is notified.
    pub(crate) fn new(
        config: &Config,
        live: Arc<Live>,
        store: Arc<Store>,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self::with_sender(Sender::new(&config.callbacks)?, config, live, store))
    }

    /// Creates the sending that `config` describes, with a `sender` of the caller's.
    pub fn with_sender(
        sender: Sender,
        config: &Config,
        live: Arc<Live>,
        store: Arc<Store>,
    ) -> Self {
        let settings = &config.callbacks;
        Self {
            store,
            live,
            runner: Arc::new(AttemptRunner::new(settings, sender)),
            due: Arc::new(Notify::new()),
            concurrency: settings.concurrency,
            lease: settings.timeout + RECORD_MAX,
        }
    }

    /// Returns what is to be notified after a commit that made callbacks due.
    pub fn due(&self) -> Arc<Notify> {
        Arc::clone(&self.due)
    }

    /// Sends what is due until `draining`; then ends the attempts that are under way and
    /// records them. What is not recorded is claimed again after its lease.
    ///
    /// While the clock is not known to be right nothing is claimed: receivers refuse what
    /// was signed at another time, and callbacks would be given up that have time left.
    pub async fn run(self, health: Arc<Health>, draining: CancellationToken) {
        let mut active = ActiveAttempts::new(self.concurrency);
        let mut timer = interval(CLAIM_EVERY);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = timer.tick() => active.more_may_be_due = true,
                () = self.due.notified() => active.more_may_be_due = true,
                Some(ended) = active.tasks.join_next() => active.end(ended),
                Some(client) = active.returned_permits.recv() => active.put_back(&client),
                () = draining.cancelled() => break,
            }
            self.record(&mut active).await;
            // A worker that cannot record must not claim more: it would have to forget results.
            let may_claim = active.unrecorded.is_empty() && health.is_clock_right();
            if active.more_may_be_due && may_claim && !draining.is_cancelled() {
                self.claim(&mut active).await;
            }
        }
        while let Some(ended) = active.tasks.join_next().await {
            active.end(ended);
            self.record(&mut active).await;
        }
        while !active.unrecorded.is_empty() {
            sleep(RECORD_RETRY).await;
            self.record(&mut active).await;
        }
    }

    /// Claims and starts as many callbacks as there is room for.
    async fn claim(&self, active: &mut ActiveAttempts) {
        loop {
            while let Ok(client) = active.returned_permits.try_recv() {
                active.put_back(&client);
            }
            let max = active.share.batch_max();
            if max == 0 {
                return;
            }
            let except = active.share.full_clients();
            let claim = Claim {
                max: u32::try_from(max).unwrap_or(u32::MAX),
                lease: self.lease,
                except: &except,
            };
            let claimed = match self.store.claim_callbacks(claim).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    active.more_may_be_due = false;
                    return active.store_failed(&error);
                }
            };
            active.store_succeeded();
            let is_all = claimed.len() < max;
            for due in claimed {
                self.start(due, active);
            }
            if is_all {
                // Those of clients that were left out may be due.
                active.more_may_be_due = !except.is_empty();
                return;
            }
        }
    }

    fn start(&self, due: DueCallback, active: &mut ActiveAttempts) {
        let runner = Arc::clone(&self.runner);
        let registry = self.live.now();
        let permit = CallbackPermit::new(due.client.clone(), active.permit_returns.clone());
        active.share.take(&due.client);
        active.tasks.spawn(permit.hold(async move {
            AssertUnwindSafe(runner.run(due, &registry)).catch_unwind().await.ok()
        }));
        active.report_under_way();
    }

    /// Records the attempts that have ended. What the store cannot take now is kept; what it will
    /// never take is left to the next claim.
    async fn record(&self, active: &mut ActiveAttempts) {
        while let Some(ended) = active.tasks.try_join_next() {
            active.end(ended);
        }
        if active.unrecorded.is_empty() {
            return;
        }
        match self.store.record_callbacks(&active.unrecorded).await {
            Ok(()) => {
                active.unrecorded.clear();
                active.store_succeeded();
            }
            Err(error @ StoreError::Unavailable(_)) => active.store_failed(&error),
            Err(error) => {
                error!(
                    %error,
                    "callback results not recorded: the store rejected them; \
                     the callbacks are sent again after their lease"
                );
                active.unrecorded.clear();
            }
        }
    }
}

impl ActiveAttempts {
    fn new(concurrency: usize) -> Self {
        let (permit_returns, returned_permits) = mpsc::unbounded_channel();
        Self {
            share: PerClientShare::new(concurrency, CLIENT_PARTS),
            permit_returns,
            returned_permits,
            tasks: JoinSet::new(),
            unrecorded: Vec::new(),
            more_may_be_due: false,
            store_is_down: false,
        }
    }

    /// Counts a permit that `client` has returned.
    fn put_back(&mut self, client: &ClientName) {
        self.share.put_back(client);
        self.report_under_way();
    }

    fn report_under_way(&self) {
        metrics::callbacks_under_way(self.share.in_use());
    }

    fn end(&mut self, ended: Result<Option<Attempted>, JoinError>) {
        // A task is aborted only when this is dropped, and panics are caught inside.
        let Ok(attempted) = ended else { return };
        if let Some(attempted) = attempted {
            self.unrecorded.push(attempted);
        } else {
            error!("sending a callback panicked; it is sent again after its lease");
        }
    }

    fn store_failed(&mut self, error: &StoreError) {
        if !self.store_is_down {
            self.store_is_down = true;
            warn!(%error, "store unavailable: callbacks are not sent until it is back");
        }
    }

    fn store_succeeded(&mut self) {
        if self.store_is_down {
            self.store_is_down = false;
            info!("store available again: callbacks are sent");
        }
    }
}

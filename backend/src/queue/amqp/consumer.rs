//! Taking: one task owns the channel, moves deliveries into the buffer, and tells the
//! broker of settlements.

use std::{pin::pin, sync::Arc, time::Duration};

use lapin::Connection;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use self::session::Session;
use super::{
    CHECK_EVERY,
    buffer::Buffer,
    connection::Wire,
    error::LinkError,
    mean_jobs::MeanJobs,
    prefetch::Allowance,
    supervisor::{Link, Standing},
    topology::Topology,
};
use crate::queue::delivery::Disposition;
use quhao_common::process::metrics;

mod session;
mod subscriptions;

/// How long the first settlement waits for others: nobody waits for it, and a quorum queue
/// writes to its disk each time that it is told something.
const GATHER: Duration = Duration::from_millis(5);
/// Messages that are company enough.
const TOLD_AT_ONCE: u64 = 8;

/// What takes.
pub(super) struct Consumer {
    pub(super) standing: watch::Receiver<Standing<Tap>>,
    pub(super) buffer: Arc<Buffer>,
}

/// A link that is up.
pub(super) struct Tap {
    pub(super) connection: Arc<Connection>,
    subscribed: bool,
}

impl Tap {
    /// Whether deliveries would come.
    pub(super) fn flows(&self) -> bool {
        self.subscribed && self.connection.status().connected()
    }
}

impl Consumer {
    /// Starts the owner task.
    pub(super) fn start(
        prefetch_max: u16,
        (topology, mean_jobs): (Arc<Topology>, &Arc<MeanJobs>),
        (link, standing): (Link<Tap>, watch::Receiver<Standing<Tap>>),
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let buffer = Arc::new(Buffer::new());
        let (allowance, mean_jobs) = (Allowance::new(prefetch_max), Arc::clone(mean_jobs));
        tasks.spawn(Owner { link, topology, allowance, mean_jobs, buffer: buffer.clone() }.run());
        Self { standing, buffer }
    }

    /// Ends the subscription and gives back what was not handed out. Returns once that is
    /// done; a link that is down has nothing to give back.
    pub(super) async fn stop(&self) {
        self.buffer.stopped.cancel();
        self.unsubscribed().await;
    }

    /// Ends the subscription for now and gives back what was not handed out.
    pub(super) async fn pause(&self) {
        self.buffer.paused.send_replace(true);
        self.unsubscribed().await;
    }

    async fn unsubscribed(&self) {
        let mut standing = self.standing.clone();
        let unsubscribed = |standing: &Standing<Tap>| {
            !matches!(standing, Standing::Up(Tap { subscribed: true, .. }))
        };
        // An error means that the owner is gone, which is as good.
        let _ = standing.wait_for(unsubscribed).await;
    }
}

/// The owner of the channel.
struct Owner {
    link: Link<Tap>,
    topology: Arc<Topology>,
    allowance: Allowance,
    mean_jobs: Arc<MeanJobs>,
    buffer: Arc<Buffer>,
}

impl Owner {
    async fn run(mut self) {
        while let Some(wire) = self.link.connect().await {
            let ended = self.serve(&wire).await;
            if let Err(cause) = &ended {
                self.link.down(cause);
            }
            wire.hang_up().await;
            if ended.is_ok() {
                break;
            }
        }
        self.link.close();
    }

    /// Takes over one connection, until it fails (`Err`) or the queue is closed.
    async fn serve(&mut self, wire: &Wire) -> Result<(), LinkError> {
        let subscribe = !self.buffer.stopped.is_cancelled() && !*self.buffer.paused.borrow();
        let mut session = Session::open(wire, &self.topology, &self.mean_jobs).await?;
        if subscribe {
            self.subscribe(&mut session, wire).await?;
        }
        self.link.up(Tap { connection: wire.connection.clone(), subscribed: subscribe });
        let ended = self.work(&mut session, wire).await;
        // The broker takes back what is out: handing it out would work on it twice.
        drop(self.buffer.drain());
        session.settlements.close();
        while let Ok(settled) = session.settlements.try_recv() {
            session.settle(settled);
        }
        metrics::acks_lost(session.untold());
        ended
    }

    async fn work(&mut self, session: &mut Session, wire: &Wire) -> Result<(), LinkError> {
        let closing = self.link.closing.clone();
        let stopped = self.buffer.stopped.clone();
        let mut paused = self.buffer.paused.subscribe();
        paused.mark_changed(); // it may have changed while the session was being opened
        let mut broken = pin!(wire.broken());
        let mut check = interval(CHECK_EVERY);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // When the broker is told of what is settled by now.
        let mut telling = None::<Instant>;
        loop {
            let room = self.allowance.jobs().saturating_sub(session.held.now());
            let subscribed = session.subscriptions.are_there();
            tokio::select! {
                biased;
                () = sleep_until(telling.unwrap_or_else(Instant::now)), if telling.is_some() => {
                    telling = None;
                    session.tell(wire.limit).await?;
                }
                Some(settled) = session.settlements.recv() => {
                    session.settle(settled);
                    if session.expects_settlements() && session.untold() < TOLD_AT_ONCE {
                        telling.get_or_insert_with(|| Instant::now() + GATHER);
                    } else {
                        telling = None;
                        session.tell(wire.limit).await?;
                    }
                }
                () = closing.cancelled() => {
                    self.unsubscribe(session, wire).await?;
                    session.tell(wire.limit).await?;
                    wire.finish(&session.channel).await;
                    return Ok(());
                }
                () = stopped.cancelled(), if subscribed => {
                    self.unsubscribe(session, wire).await?;
                }
                Ok(()) = paused.changed() => {
                    let pause = *paused.borrow_and_update();
                    if pause {
                        self.unsubscribe(session, wire).await?;
                    } else if !stopped.is_cancelled() && !subscribed {
                        self.subscribe(session, wire).await?;
                        self.link.modify(|tap| tap.subscribed = true);
                        tracing::info!("deliveries are taken again");
                    }
                }
                Some(message) = session.subscriptions.next(), if subscribed && room > 0 => {
                    let deliveries = session.take(message?, room)?;
                    self.buffer.put(deliveries);
                }
                cause = &mut broken => return Err(cause),
                _ = check.tick() => {
                    if !session.channel.status().connected() {
                        return Err(LinkError::Closed);
                    }
                    if let Some(allowance) = session.allowance(self.allowance) {
                        self.allowance = allowance;
                        session.subscriptions.change(allowance, wire.limit).await?;
                    }
                }
            }
        }
    }

    /// Subscribes, as if nothing were known of how full messages are: a subscription that
    /// is wide from the start could not be narrowed.
    async fn subscribe(&mut self, session: &mut Session, wire: &Wire) -> Result<(), LinkError> {
        self.allowance = self.allowance.anew();
        session.subscriptions.begin(self.allowance, wire.limit).await
    }

    /// Ends the subscriptions and gives back all that was not handed out.
    async fn unsubscribe(&mut self, session: &mut Session, wire: &Wire) -> Result<(), LinkError> {
        if !session.subscriptions.are_there() {
            return Ok(());
        }
        session.unsubscribe(wire.limit).await?;
        for delivery in self.buffer.drain() {
            delivery.settle(Disposition::Requeue);
        }
        session.tell(wire.limit).await?;
        self.link.modify(|tap| tap.subscribed = false);
        tracing::info!("no more deliveries are taken");
        Ok(())
    }
}

//! Publishing, the owner of the channel: one task publishes and keeps every open confirm.
//!
//! It must be the only one to publish on the channel: lapin numbers a publish and queues
//! it in two steps, so that two tasks on two threads get each other's confirms. And it
//! keeps a confirm after its caller has stopped waiting, since a confirm that is dropped
//! stays in lapin's memory for as long as the channel lives.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lapin::{
    Channel, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
};
use time::OffsetDateTime;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    Lane, Request,
    batch::{AT_ONCE_MIN, Pending, message},
};
use crate::queue::{
    amqp::{
        CHECK_EVERY,
        connection::Wire,
        error::{LinkError, within},
        frame::Frame,
        mean_jobs::MeanJobs,
        supervisor::Link,
        topology::short,
    },
    error::PublishError,
};
use quhao_common::process::metrics;

/// The broker counts as silent when nothing was confirmed for this many confirm
/// time-outs although something is open.
const SILENT_AFTER: u32 = 3;

/// How long the confirms of a connection that has ended may take to fail.
const FAIL_LIMIT: Duration = Duration::from_secs(1);

/// Requests that are received in one go.
const RECEIVED_MAX: usize = 64;

/// The owner of the channel.
pub(super) struct Owner {
    link: Link<Lane>,
    exchange: String,
    window: usize,
    silent_after: Duration,
    mean_jobs: Arc<MeanJobs>,
}

/// One publish up to its confirm. Its error is the channel's, and ends the link.
type Sending = BoxFuture<'static, Result<(), LinkError>>;

/// One channel's work in hand.
struct Session {
    channel: Channel,
    inbox: mpsc::Receiver<Request>,
    pending: Pending,
    open: FuturesUnordered<Sending>,
    /// When the broker last confirmed something, or there was nothing to confirm.
    progress: Instant,
    blocked: bool,
}

impl Owner {
    pub(super) fn new(
        link: Link<Lane>,
        exchange: String,
        (confirm_timeout, window): (Duration, usize),
        mean_jobs: Arc<MeanJobs>,
    ) -> Self {
        let silent_after = confirm_timeout.saturating_mul(SILENT_AFTER);
        Self { link, exchange, window, silent_after, mean_jobs }
    }

    pub(super) async fn run(mut self) {
        while let Some(wire) = self.link.connect().await {
            let ended = self.serve(&wire).await;
            wire.hang_up().await;
            if ended.is_ok() {
                break;
            }
        }
        self.link.close();
    }

    /// Publishes over one connection, until it fails (`Err`) or the queue is closed.
    async fn serve(&mut self, wire: &Wire) -> Result<(), LinkError> {
        let mut session = match self.begin(wire).await {
            Ok(session) => session,
            Err(cause) => {
                self.link.down(&cause);
                return Err(cause);
            }
        };
        let ended = self.work(&mut session, wire).await;
        match &ended {
            Ok(()) => {
                // What was accepted is still published; whoever closes limits the time.
                session.inbox.close();
                while let Some(request) = session.inbox.recv().await {
                    session.pending.push(request);
                }
                self.send(&mut session, usize::MAX);
                drain(&mut session.open, wire).await;
                wire.finish(&session.channel).await;
            }
            Err(cause) => {
                self.link.down(cause);
                let Session { inbox, pending, mut open, .. } = session;
                drop((inbox, pending));
                wire.hang_up().await;
                let failing = async { while open.next().await.is_some() {} };
                // Those that do not even fail in time are answered by being dropped.
                let _ = timeout(FAIL_LIMIT, failing).await;
            }
        }
        ended
    }

    async fn begin(&mut self, wire: &Wire) -> Result<Session, LinkError> {
        let channel = wire.channel().await?;
        let confirming = channel.confirm_select(ConfirmSelectOptions { nowait: false });
        within(wire.limit, "turning confirms on", confirming).await?;
        let (requests, inbox) = mpsc::channel(self.window);
        self.link.up(Lane { requests, connection: wire.connection.clone() });
        let (pending, open) = (Pending::default(), FuturesUnordered::new());
        Ok(Session { channel, inbox, pending, open, progress: Instant::now(), blocked: false })
    }

    async fn work(&mut self, session: &mut Session, wire: &Wire) -> Result<(), LinkError> {
        let closing = self.link.closing.clone();
        let mut broken = pin!(wire.broken());
        let mut check = interval(CHECK_EVERY);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut received = Vec::with_capacity(RECEIVED_MAX);
        loop {
            tokio::select! {
                biased;
                () = closing.cancelled() => return Ok(()),
                Some(answered) = session.open.next() => {
                    session.progress = Instant::now();
                    answered?;
                }
                1.. = session.inbox.recv_many(&mut received, RECEIVED_MAX) => {
                    if session.open.is_empty() {
                        session.progress = Instant::now();
                    }
                    for request in received.drain(..) {
                        session.pending.push(request);
                    }
                }
                cause = &mut broken => return Err(cause),
                _ = check.tick() => self.check(session, wire)?,
            }
            self.send(session, AT_ONCE_MIN);
        }
    }

    /// Looks after what does not announce itself.
    fn check(&self, session: &mut Session, wire: &Wire) -> Result<(), LinkError> {
        let status = wire.connection.status();
        if !status.connected() || !session.channel.status().connected() {
            return Err(LinkError::Closed);
        }
        let blocked = status.blocked();
        if blocked != session.blocked {
            session.blocked = blocked;
            metrics::link_up(self.link.direction.as_str(), !blocked);
            if blocked {
                tracing::warn!("the broker has blocked publishers; submits are refused");
            } else {
                tracing::info!("the broker takes publishes again");
            }
        }
        if blocked {
            // What is under way may be confirmed after the alarm; the rest is not sent.
            session.pending.refuse();
        }
        if blocked || session.open.is_empty() {
            session.progress = Instant::now();
        }
        if session.progress.elapsed() > self.silent_after {
            return Err(LinkError::Silent("waiting for confirms"));
        }
        Ok(())
    }

    /// Publishes what may go, with so many messages under way that nothing waits.
    fn send(&self, session: &mut Session, at_once: usize) {
        while let Some(requests) = session.pending.next(session.open.len(), at_once) {
            let sending = self.sending(&session.channel, requests);
            session.open.push(sending.boxed());
        }
    }

    /// The publish of one message up to its confirm.
    fn sending(
        &self,
        channel: &Channel,
        requests: Vec<Request>,
    ) -> impl Future<Output = Result<(), LinkError>> + Send + use<> {
        let (channel, exchange) = (channel.clone(), short(&self.exchange));
        let jobs = requests.len();
        metrics::published(jobs);
        self.mean_jobs.see(jobs);
        async move {
            let started = Instant::now();
            let (letters, callers): (Vec<_>, Vec<_>) =
                requests.into_iter().map(Request::split).unzip();
            let published = match message(letters, OffsetDateTime::now_utc()) {
                Some(message) => publish(&channel, exchange, message).await,
                None => return Ok(()),
            };
            if published.is_ok() {
                metrics::confirmed(started.elapsed());
            }
            let (answer, ended) = match published {
                Ok(Confirmation::Ack(_)) => (Ok(()), Ok(())),
                Ok(Confirmation::Nack(_)) => (Err(PublishError::Full), Ok(())),
                Ok(Confirmation::NotRequested) => {
                    tracing::error!("a publish was answered on a channel without confirms");
                    (Err(PublishError::Unconfirmed), Err(LinkError::Unconfirming))
                }
                Err((refusal, error)) => (Err(refusal), Err(error.into())),
            };
            for (reply, place) in callers {
                // The caller may have stopped waiting.
                let _ = reply.send(answer);
                drop(place);
            }
            ended
        }
    }
}

/// Waits for the open confirms, as long as they can come at all.
async fn drain(open: &mut FuturesUnordered<Sending>, wire: &Wire) {
    let mut check = interval(CHECK_EVERY);
    loop {
        tokio::select! {
            biased;
            confirmed = open.next() => if confirmed.is_none() { return },
            _ = check.tick() => if wire.connection.status().blocked() { return },
        }
    }
}

/// Publishes and waits for the broker's answer. An error tells what it means for the
/// message: lapin fails the first step only if the last byte was not written, in which
/// case the broker cannot have stored it.
async fn publish(
    channel: &Channel,
    exchange: ShortString,
    Frame { key, body, properties }: Frame,
) -> Result<Confirmation, (PublishError, lapin::Error)> {
    let options = BasicPublishOptions { mandatory: false, immediate: false };
    let confirm = channel
        .basic_publish(exchange, key.into(), options, &body, properties)
        .await
        .map_err(|error| (PublishError::Unavailable, error))?;
    confirm.await.map_err(|error| (PublishError::Unconfirmed, error))
}

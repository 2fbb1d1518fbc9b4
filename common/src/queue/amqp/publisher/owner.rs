//! Publishing, the owner of the channel: one task publishes and keeps every open confirm.
//!
//! It must be the only one to publish on the channel: lapin numbers a publish and queues
//! it in two steps, so that two tasks on two threads get each other's confirms. And it
//! keeps a confirm after its caller has stopped waiting, since a confirm that is dropped
//! stays in lapin's memory for as long as the channel lives.

use std::{
    pin::pin,
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

use super::{Lane, Request};
use crate::{
    metrics,
    queue::{
        PublishError,
        amqp::{
            CHECK_EVERY,
            error::{LinkError, within},
            link::Link,
            properties::Letter,
            topology::short,
            wire::Wire,
        },
    },
};

/// The broker counts as silent when nothing was confirmed for this many confirm
/// time-outs although something is open.
const SILENT_AFTER: u32 = 3;

/// How long the confirms of a connection that has ended may take to fail.
const FAIL_LIMIT: Duration = Duration::from_secs(1);

/// The owner of the channel.
pub(super) struct Owner {
    link: Link<Lane>,
    exchange: String,
    window: usize,
    silent_after: Duration,
}

/// One publish up to its confirm. Its error is the channel's, and ends the link.
type Sending = BoxFuture<'static, Result<(), LinkError>>;

/// One channel's work in hand.
struct Session {
    channel: Channel,
    inbox: mpsc::Receiver<Request>,
    open: FuturesUnordered<Sending>,
    /// When the broker last confirmed something, or there was nothing to confirm.
    progress: Instant,
    blocked: bool,
}

impl Owner {
    pub(super) fn new(
        link: Link<Lane>,
        exchange: String,
        window: usize,
        confirm_timeout: Duration,
    ) -> Self {
        let silent_after = confirm_timeout.saturating_mul(SILENT_AFTER);
        Self { link, exchange, window, silent_after }
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
        let Session { mut inbox, mut open, channel, .. } = session;
        match &ended {
            Ok(()) => {
                // What was accepted is still published; whoever closes limits the time.
                inbox.close();
                while let Some(request) = inbox.recv().await {
                    open.extend(self.send(&channel, request));
                }
                drain(&mut open, wire).await;
                wire.finish(&channel).await;
            }
            Err(cause) => {
                self.link.down(cause);
                drop(inbox);
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
        let open = FuturesUnordered::new();
        Ok(Session { channel, inbox, open, progress: Instant::now(), blocked: false })
    }

    async fn work(&mut self, session: &mut Session, wire: &Wire) -> Result<(), LinkError> {
        let closing = self.link.closing.clone();
        let mut broken = pin!(wire.broken());
        let mut check = interval(CHECK_EVERY);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = closing.cancelled() => return Ok(()),
                Some(answered) = session.open.next() => {
                    session.progress = Instant::now();
                    answered?;
                }
                Some(request) = session.inbox.recv() => {
                    if session.open.is_empty() {
                        session.progress = Instant::now();
                    }
                    session.open.extend(self.send(&session.channel, request));
                }
                cause = &mut broken => return Err(cause),
                _ = check.tick() => self.check(session, wire)?,
            }
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
        if blocked || session.open.is_empty() {
            session.progress = Instant::now();
        }
        if session.progress.elapsed() > self.silent_after {
            return Err(LinkError::Silent("waiting for confirms"));
        }
        Ok(())
    }

    /// The publish of one request up to its confirm; `None` if nobody waits any more.
    fn send(&self, channel: &Channel, request: Request) -> Option<Sending> {
        if !request.claim() {
            return None;
        }
        let Request { letter, reply, place, .. } = request;
        let (channel, exchange) = (channel.clone(), short(&self.exchange));
        let sending = async move {
            let started = Instant::now();
            let published = publish(&channel, exchange, &letter).await;
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
            // The caller may have stopped waiting.
            let _ = reply.send(answer);
            drop(place);
            ended
        };
        Some(sending.boxed())
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
    letter: &Letter,
) -> Result<Confirmation, (PublishError, lapin::Error)> {
    let options = BasicPublishOptions { mandatory: false, immediate: false };
    let properties = letter.properties(OffsetDateTime::now_utc());
    let confirm = channel
        .basic_publish(exchange, letter.key().into(), options, letter.body(), properties)
        .await
        .map_err(|error| (PublishError::Unavailable, error))?;
    confirm.await.map_err(|error| (PublishError::Unconfirmed, error))
}

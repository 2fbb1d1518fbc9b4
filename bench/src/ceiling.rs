//! The broker's own ceiling: confirmed publishes and consumes of the same bytes through a
//! quorum queue, by clients that do nothing else. Every other figure is shown as a ratio to
//! it, so that figures of different machines can be compared.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, stream::FuturesUnordered};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
        ConfirmSelectOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use quhao_tests::{prefix::Prefix, services};
use tokio::{sync::oneshot, time::timeout};

use crate::{
    figure::{Measured, Unit, float},
    latencies::Latencies,
    machine::Machine,
    processes::{Role, Watched},
};

/// The subject that all others are compared with.
pub(crate) const NAME: &str = "ceiling";
/// Its figure of publishing and consuming at the same time.
pub(crate) const THROUGH: &str = "published and consumed at once";
const CPU: &str = "cpu broker and client";
const CONFIRM: &str = "confirm one at a time p50";

/// As many as quhao's producer has open.
const WINDOW: usize = 2048;
/// As many as quhao's worker has out, and an ack for so many.
const PREFETCH: u16 = 512;
const ACK_EVERY: u64 = 64;
/// Publishes one at a time.
const ALONE: u64 = 300;
/// Longest that each of the four parts may take.
const LIMIT: Duration = Duration::from_mins(2);

/// Returns the figure of the ceiling that figures of this unit are compared with.
pub(crate) fn beside(unit: Unit) -> Option<&'static str> {
    match unit {
        Unit::JobsPerSecond => Some(THROUGH),
        Unit::MicrosecondsPerJob => Some(CPU),
        Unit::Milliseconds => Some(CONFIRM),
        _ => None,
    }
}

/// Measures with `messages` messages of these bytes, in a runtime of its own: two threads,
/// as any program of the broker's clients would have.
pub(crate) async fn measure(machine: &Machine, body: Vec<u8>, messages: u64) -> Result<Measured> {
    let broker = machine.servers.iter().copied().find(|server| server.role == Role::Broker);
    let (done, measured) = oneshot::channel();
    let measuring = thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build();
        let result = runtime
            .map_err(anyhow::Error::from)
            .and_then(|runtime| runtime.block_on(Ceiling { broker, body, messages }.measure()));
        // The bench may have been interrupted.
        drop(done.send(result));
    });
    let measured = measured.await.context("the thread that measured has ended")?;
    drop(measuring.join());
    measured
}

struct Ceiling {
    broker: Option<Watched>,
    body: Vec<u8>,
    messages: u64,
}

impl Ceiling {
    async fn measure(self) -> Result<Measured> {
        // Its queue of jobs is ours; it is deleted with it.
        let prefix = Prefix::new();
        let [queue, ..] = prefix.queues();
        let (publisher, consumer) = (connect().await?, connect().await?);
        let (out, back) = (publisher.create_channel().await?, consumer.create_channel().await?);
        declare(&out, &queue).await?;
        out.confirm_select(ConfirmSelectOptions { nowait: false }).await?;
        let mut measured = Measured::of(NAME);

        let alone = timeout(LIMIT, self.publish(&out, &queue, ALONE, 1)).await??;
        timeout(LIMIT, consume(&back, &queue, ALONE)).await??;
        measured.put_latencies("confirm one at a time", &alone);

        let started = Instant::now();
        timeout(LIMIT, self.publish(&out, &queue, self.messages, WINDOW)).await??;
        measured.put("published", Unit::JobsPerSecond, self.rate(started));
        let started = Instant::now();
        timeout(LIMIT, consume(&back, &queue, self.messages)).await??;
        measured.put("consumed", Unit::JobsPerSecond, self.rate(started));

        let (before, started) = (self.cpu_times(), Instant::now());
        let through = async {
            let publishing = self.publish(&out, &queue, self.messages, WINDOW);
            tokio::try_join!(publishing, consume(&back, &queue, self.messages))
        };
        let (confirms, ()) = timeout(LIMIT, through).await??;
        measured.put(THROUGH, Unit::JobsPerSecond, self.rate(started));
        measured.put_latencies("confirm with a full window", &confirms);
        let after = self.cpu_times();
        let used = |at: usize| Some(per(after[at]?.checked_sub(before[at]?)?, self.messages));
        measured.put_some("cpu broker", Unit::MicrosecondsPerJob, used(0));
        measured.put_some(CPU, Unit::MicrosecondsPerJob, used(0).zip(used(1)).map(|(a, b)| a + b));

        for connection in [publisher, consumer] {
            timeout(LIMIT, connection.close(200, "done".into())).await??;
        }
        Ok(measured)
    }

    fn cpu_times(&self) -> [Option<Duration>; 2] {
        [self.broker.and_then(Watched::cpu_time), Watched::ourselves().cpu_time()]
    }

    fn rate(&self, started: Instant) -> f64 {
        float(self.messages) / started.elapsed().as_secs_f64()
    }

    /// Publishes with at most `window` confirms open; from each publish to its confirm.
    async fn publish(
        &self,
        channel: &Channel,
        queue: &str,
        messages: u64,
        window: usize,
    ) -> Result<Latencies> {
        let options = BasicPublishOptions { mandatory: false, immediate: false };
        let (mut open, mut times) = (FuturesUnordered::new(), Latencies::new());
        for number in 0..messages {
            let properties = BasicProperties::default()
                .with_content_type("application/octet-stream".into())
                .with_delivery_mode(2)
                .with_message_id(format!("{number:032x}").into())
                .with_expiration("240000".into());
            let started = Instant::now();
            let confirm = channel
                .basic_publish("".into(), queue.into(), options, &self.body, properties)
                .await?;
            open.push(async move { (started, confirm.await) });
            if open.len() >= window {
                confirmed(open.next().await, &mut times)?;
            }
        }
        while let Some(answered) = open.next().await {
            confirmed(Some(answered), &mut times)?;
        }
        Ok(times)
    }
}

type Answered = (Instant, lapin::Result<Confirmation>);

fn confirmed(answered: Option<Answered>, times: &mut Latencies) -> Result<()> {
    let (started, confirmation) = answered.context("a confirm is open")?;
    ensure!(matches!(confirmation?, Confirmation::Ack(_)), "the broker refused a message");
    times.record(started.elapsed());
    Ok(())
}

/// Consumes so many messages, which must be there or come, and acks them.
async fn consume(channel: &Channel, queue: &str, messages: u64) -> Result<()> {
    channel.basic_qos(PREFETCH, BasicQosOptions { global: false }).await?;
    let options =
        BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
    let tag = format!("ceiling-{:016x}", rand::random::<u64>());
    let consuming =
        channel.basic_consume(queue.into(), tag.as_str().into(), options, FieldTable::default());
    let mut deliveries = consuming.await?;
    let mut taken = 0;
    while taken < messages {
        let delivery = deliveries.next().await.context("the broker ended the subscription")??;
        taken += 1;
        if taken % ACK_EVERY == 0 || taken == messages {
            ensure!(delivery.ack(BasicAckOptions { multiple: true }).await?, "an ack was lost");
        }
    }
    channel
        .basic_cancel(tag.as_str().into(), lapin::options::BasicCancelOptions { nowait: false })
        .await?;
    Ok(())
}

async fn connect() -> Result<Connection> {
    let url = services::amqp_url();
    let connecting = Connection::connect(&url, ConnectionProperties::default());
    Ok(timeout(LIMIT, connecting).await??)
}

/// Declares a queue like quhao's, without its limits and dead letters.
pub(crate) async fn declare(channel: &Channel, queue: &str) -> Result<()> {
    let options = QueueDeclareOptions {
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        nowait: false,
    };
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    channel.queue_declare(queue.into(), options, arguments).await?;
    Ok(())
}

/// Returns `time` in microseconds, divided by `count`.
pub(crate) fn per(time: Duration, count: u64) -> f64 {
    time.as_secs_f64() * 1e6 / float(count.max(1))
}

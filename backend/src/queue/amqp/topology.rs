//! What quhao needs at the broker, by name.
//!
//! ```text
//! exchange P (direct) ──jobs────▶ queue P.jobs ───┐ rejected, expired, or
//!    │       └──────────resume──▶ queue P.resume ─┼─ back too often ──▶ exchange P.dead ──▶ queue P.dead
//!    └ alternate ▶ exchange P.unrouted ──▶ queue P.unrouted ┘
//! ```
//!
//! Workers take from all four queues.
//!
//! All queues are durable quorum queues. Arguments cannot be changed later, so only what
//! must not be missing is an argument; everything tunable is left to policies. Where the
//! broker refuses a declaration, because somebody declared otherwise or has withheld the
//! right to, what is there is used as it is.
//!
//! Publishing uses no `mandatory`: the broker's answer to it cannot be told apart from
//! that to another publish. A message that no binding wants goes to `P.unrouted` instead,
//! and workers take it from there.

use std::{collections::BTreeSet, sync::Mutex};

use lapin::{
    Channel, Connection, ErrorKind, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{connection::Wire, error::LinkError};
use crate::queue::error::QueueError;
use quhao_common::config;

/// The routing key of a job.
pub(super) const JOBS_KEY: &str = "jobs";
/// The routing key of an outcome.
pub(super) const RESUME_KEY: &str = "resume";

/// Outcomes that wait for the store, in bytes: of two thousand each, all that sixty workers
/// of the largest size hold. Beyond it publishes are refused.
const RESUME_BYTES_MAX: i64 = 256 << 20;

/// Dead letters are for a look at what went wrong, not for keeping: an envelope is worth
/// nothing after minutes.
const DEAD_LENGTH_MAX: i64 = 100_000;
const DEAD_TTL_MS: i64 = 24 * 60 * 60 * 1000;

/// Longest prefix: AMQP names have at most 255 bytes.
const PREFIX_MAX: usize = 200;

/// The names and limits, and which of them the broker refused before.
#[derive(Debug)]
pub(super) struct Topology {
    pub(super) exchange: String,
    pub(super) jobs: String,
    pub(super) unrouted: String,
    pub(super) resume: String,
    pub(super) dead: String,
    length_max: i64,
    delivery_limit: i64,
    refused: Mutex<BTreeSet<String>>,
}

/// One thing to be there.
enum Part {
    Exchange { name: String, kind: ExchangeKind, arguments: FieldTable },
    Queue { name: String, arguments: FieldTable },
    Binding { queue: String, exchange: String, key: &'static str },
}

impl Topology {
    pub(super) fn new(settings: &config::Queue) -> Result<Self, QueueError> {
        let prefix = &settings.prefix;
        if prefix.is_empty() || prefix.len() > PREFIX_MAX {
            let reason = format!("queue.prefix must have 1 to {PREFIX_MAX} bytes");
            return Err(QueueError::Settings(reason));
        }
        Ok(Self {
            exchange: prefix.clone(),
            jobs: format!("{prefix}.jobs"),
            unrouted: format!("{prefix}.unrouted"),
            resume: format!("{prefix}.resume"),
            dead: format!("{prefix}.dead"),
            length_max: i64::try_from(settings.length_max).unwrap_or(i64::MAX),
            delivery_limit: i64::from(settings.delivery_limit),
            refused: Mutex::default(),
        })
    }

    /// Declares everything, in an order in which each part finds what it refers to.
    pub(super) async fn declare(&self, wire: &Wire) -> Result<(), LinkError> {
        let mut channel = wire.channel().await?;
        for part in self.parts() {
            match part.declare(&channel).await {
                Ok(()) => {}
                Err(error) if is_refusal(&error) => {
                    self.warn_once(&part, &error);
                    // A refusal closes the channel.
                    channel = wire.channel().await?;
                    part.expect(&channel).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(channel.close(200, "OK".into()).await?)
    }

    fn parts(&self) -> Vec<Part> {
        let exchange = |name: &String, kind, arguments| Part::Exchange {
            name: name.clone(),
            kind,
            arguments: table(arguments),
        };
        let bound = |queue: &String, exchange: &String, key| Part::Binding {
            queue: queue.clone(),
            exchange: exchange.clone(),
            key,
        };
        let working = |name: &String, length: (&'static str, i64)| Part::Queue {
            name: name.clone(),
            arguments: table(vec![
                ("x-queue-type", text("quorum")),
                ("x-dead-letter-exchange", text(&self.dead)),
                ("x-dead-letter-strategy", text("at-least-once")),
                ("x-overflow", text("reject-publish")),
                ("x-delivery-limit", AMQPValue::LongLongInt(self.delivery_limit)),
                (length.0, AMQPValue::LongLongInt(length.1)),
            ]),
        };
        let of_jobs = |name| working(name, ("x-max-length", self.length_max));
        let dead = Part::Queue {
            name: self.dead.clone(),
            arguments: table(vec![
                ("x-queue-type", text("quorum")),
                ("x-overflow", text("drop-head")),
                ("x-max-length", AMQPValue::LongLongInt(DEAD_LENGTH_MAX)),
                ("x-message-ttl", AMQPValue::LongLongInt(DEAD_TTL_MS)),
                ("x-delivery-limit", AMQPValue::LongLongInt(self.delivery_limit)),
            ]),
        };
        let alternate = vec![("alternate-exchange", text(&self.unrouted))];
        vec![
            exchange(&self.dead, ExchangeKind::Fanout, vec![]),
            dead,
            bound(&self.dead, &self.dead, ""),
            exchange(&self.unrouted, ExchangeKind::Fanout, vec![]),
            of_jobs(&self.unrouted),
            bound(&self.unrouted, &self.unrouted, ""),
            exchange(&self.exchange, ExchangeKind::Direct, alternate),
            of_jobs(&self.jobs),
            bound(&self.jobs, &self.exchange, JOBS_KEY),
            working(&self.resume, ("x-max-length-bytes", RESUME_BYTES_MAX)),
            bound(&self.resume, &self.exchange, RESUME_KEY),
        ]
    }

    fn warn_once(&self, part: &Part, error: &lapin::Error) {
        let mut refused = self.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if refused.insert(part.describe()) {
            tracing::warn!(
                part = part.describe(),
                %error,
                "the broker refused a declaration; going on with what is there"
            );
        }
    }
}

impl Part {
    async fn declare(&self, channel: &Channel) -> Result<(), lapin::Error> {
        match self {
            Self::Exchange { name, kind, arguments } => {
                let options = ExchangeDeclareOptions {
                    passive: false,
                    durable: true,
                    auto_delete: false,
                    internal: false,
                    nowait: false,
                };
                let name = short(name);
                channel.exchange_declare(name, kind.clone(), options, arguments.clone()).await
            }
            Self::Queue { name, arguments } => {
                let options = QueueDeclareOptions {
                    passive: false,
                    durable: true,
                    exclusive: false,
                    auto_delete: false,
                    nowait: false,
                };
                channel.queue_declare(short(name), options, arguments.clone()).await.map(drop)
            }
            Self::Binding { queue, exchange, key } => {
                let options = QueueBindOptions { nowait: false };
                let (queue, exchange) = (short(queue), short(exchange));
                channel
                    .queue_bind(queue, exchange, short(key), options, FieldTable::default())
                    .await
            }
        }
    }

    /// Whether it is there at all. Nobody can ask AMQP for a binding.
    async fn expect(&self, channel: &Channel) -> Result<(), lapin::Error> {
        match self {
            Self::Exchange { name, kind, .. } => {
                let options = ExchangeDeclareOptions {
                    passive: true,
                    durable: true,
                    auto_delete: false,
                    internal: false,
                    nowait: false,
                };
                let (name, kind) = (short(name), kind.clone());
                channel.exchange_declare(name, kind, options, FieldTable::default()).await
            }
            Self::Queue { name, .. } => declare_passively(channel, name).await.map(drop),
            Self::Binding { .. } => Ok(()),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Exchange { name, .. } => format!("exchange {name}"),
            Self::Queue { name, .. } => format!("queue {name}"),
            Self::Binding { queue, exchange, .. } => format!("binding {exchange} to {queue}"),
        }
    }
}

/// How many messages are ready in each of these queues, which must be there.
pub(super) async fn waiting<const N: usize>(
    connection: &Connection,
    queues: [&String; N],
) -> Result<[u64; N], lapin::Error> {
    let channel = connection.create_channel().await?;
    let mut waiting = [0; N];
    for (waiting, queue) in waiting.iter_mut().zip(queues) {
        *waiting = u64::from(declare_passively(&channel, queue).await?);
    }
    channel.close(200, "OK".into()).await?;
    Ok(waiting)
}

/// The number of ready messages of a queue that must be there.
async fn declare_passively(channel: &Channel, name: &str) -> Result<u32, lapin::Error> {
    let options = QueueDeclareOptions {
        passive: true,
        durable: true,
        exclusive: false,
        auto_delete: false,
        nowait: false,
    };
    let queue = channel.queue_declare(short(name), options, FieldTable::default()).await?;
    Ok(queue.message_count())
}

/// 406: it is there with other arguments. 403: this user may not declare.
fn is_refusal(error: &lapin::Error) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else { return false };
    matches!(
        error.kind(),
        AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED | AMQPSoftError::ACCESSREFUSED)
    )
}

/// A name that was checked to be short enough when the settings were read.
pub(super) fn short(name: &str) -> ShortString {
    name.into()
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn table(entries: Vec<(&'static str, AMQPValue)>) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert(key.into(), value);
    }
    table
}

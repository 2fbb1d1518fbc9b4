//! The exchanges and queues that quhao needs at the broker.
//!
//! ```text
//! exchange P (direct) ──jobs────▶ queue P.jobs ───┐ rejected, expired, or
//!    │       └──────────resume──▶ queue P.resume ─┼─ back too often ──▶ exchange P.dead ──▶ queue P.dead
//!    └ alternate ▶ exchange P.unrouted ──▶ queue P.unrouted ┘
//! ```
//!
//! Workers consume all four queues.
//!
//! All queues are durable quorum queues. A queue's arguments cannot be changed later, so only
//! what must not be missing is an argument; everything tunable is left to policies. The
//! broker may refuse a declaration, because the queue exists with other arguments or because
//! this user may not declare. Then what exists is used as it is.
//!
//! Publishing does not use `mandatory`: the broker's answer to it cannot be assigned to one
//! publish. A message that matches no binding goes to `P.unrouted` instead, and workers
//! consume it from there.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use lapin::{ExchangeKind, types::AMQPValue};

use super::{
    connection::Connection,
    declaration::{Arguments, Declaration, declare_passively, is_refusal, text},
    error::LinkError,
};
use crate::queue::error::QueueError;
use quhao_common::config;

/// The routing key of a job.
pub(super) const JOBS_KEY: &str = "jobs";
/// The routing key of an outcome.
pub(super) const OUTCOMES_KEY: &str = "resume";

/// The most outcomes that wait for the store, in bytes. At 2 KB an outcome it is what sixty
/// workers of the largest size hold. Beyond it publishes are refused.
const OUTCOMES_BYTES_MAX: i64 = 256 << 20;

/// The most dead letters. They are kept to find out what went wrong, and for no longer than
/// that takes: an envelope is worth nothing after minutes.
const DEAD_LETTERS_LENGTH_MAX: i64 = 100_000;
/// How long a dead letter is kept.
const DEAD_LETTERS_TTL_MS: i64 = 24 * 60 * 60 * 1000;

/// The longest prefix: AMQP names have at most 255 bytes.
const PREFIX_BYTES_MAX: usize = 200;

/// The names and limits of what is declared.
#[derive(Debug)]
pub(super) struct Topology {
    /// The exchange that jobs and outcomes are published to.
    pub(super) exchange: String,
    /// The queue of jobs.
    pub(super) jobs: String,
    /// The queue of messages that matched no binding.
    pub(super) unrouted: String,
    /// The queue of outcomes.
    pub(super) outcomes: String,
    /// The queue of dead letters.
    pub(super) dead_letters: String,
    /// The most messages in a queue of jobs.
    length_max: i64,
    /// How often a message is delivered before it is dead-lettered.
    delivery_limit: i64,
    /// The declarations that the broker refused, each logged once.
    refused: Mutex<BTreeSet<String>>,
}

impl Topology {
    /// Derives the names from the configured prefix.
    pub(super) fn new(settings: &config::Queue) -> Result<Self, QueueError> {
        let prefix = &settings.prefix;
        if prefix.is_empty() || prefix.len() > PREFIX_BYTES_MAX {
            let reason = format!("queue.prefix must have 1 to {PREFIX_BYTES_MAX} bytes");
            return Err(QueueError::Settings(reason));
        }
        Ok(Self {
            exchange: prefix.clone(),
            jobs: format!("{prefix}.jobs"),
            unrouted: format!("{prefix}.unrouted"),
            outcomes: format!("{prefix}.resume"),
            dead_letters: format!("{prefix}.dead"),
            length_max: i64::try_from(settings.length_max).unwrap_or(i64::MAX),
            delivery_limit: i64::from(settings.delivery_limit),
            refused: Mutex::default(),
        })
    }

    /// Declares everything, in an order in which each part finds what it refers to.
    pub(super) async fn declare(&self, connection: &Connection) -> Result<(), LinkError> {
        let mut channel = connection.channel().await?;
        for declaration in self.declarations() {
            match declaration.declare(&channel).await {
                Ok(()) => {}
                Err(error) if is_refusal(&error) => {
                    self.warn_once(&declaration, &error);
                    // A refusal closes the channel.
                    channel = connection.channel().await?;
                    declaration.check_exists(&channel).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(channel.close(200, "OK".into()).await?)
    }

    fn declarations(&self) -> Vec<Declaration> {
        let alternate = vec![("alternate-exchange", text(&self.unrouted))];
        vec![
            exchange(&self.dead_letters, ExchangeKind::Fanout, vec![]),
            self.dead_letter_queue(),
            binding(&self.dead_letters, &self.dead_letters, ""),
            exchange(&self.unrouted, ExchangeKind::Fanout, vec![]),
            self.job_queue(&self.unrouted),
            binding(&self.unrouted, &self.unrouted, ""),
            exchange(&self.exchange, ExchangeKind::Direct, alternate),
            self.job_queue(&self.jobs),
            binding(&self.jobs, &self.exchange, JOBS_KEY),
            self.working_queue(&self.outcomes, "x-max-length-bytes", OUTCOMES_BYTES_MAX),
            binding(&self.outcomes, &self.exchange, OUTCOMES_KEY),
        ]
    }

    fn job_queue(&self, name: &str) -> Declaration {
        self.working_queue(name, "x-max-length", self.length_max)
    }

    /// Returns a queue that refuses publishes beyond its limit and dead-letters what is
    /// rejected, expires or is delivered too often.
    fn working_queue(&self, name: &str, limit: &'static str, max: i64) -> Declaration {
        let arguments = vec![
            ("x-queue-type", text("quorum")),
            ("x-dead-letter-exchange", text(&self.dead_letters)),
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-overflow", text("reject-publish")),
            ("x-delivery-limit", AMQPValue::LongLongInt(self.delivery_limit)),
            (limit, AMQPValue::LongLongInt(max)),
        ];
        Declaration::Queue { name: name.to_owned(), arguments }
    }

    /// Returns the queue that drops its oldest messages beyond its limits.
    fn dead_letter_queue(&self) -> Declaration {
        let arguments = vec![
            ("x-queue-type", text("quorum")),
            ("x-overflow", text("drop-head")),
            ("x-max-length", AMQPValue::LongLongInt(DEAD_LETTERS_LENGTH_MAX)),
            ("x-message-ttl", AMQPValue::LongLongInt(DEAD_LETTERS_TTL_MS)),
            ("x-delivery-limit", AMQPValue::LongLongInt(self.delivery_limit)),
        ];
        Declaration::Queue { name: self.dead_letters.clone(), arguments }
    }

    fn warn_once(&self, declaration: &Declaration, error: &lapin::Error) {
        let part = declaration.describe();
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if !refused.contains(&part) {
            tracing::warn!(
                part,
                %error,
                "the broker refused a declaration; using what exists"
            );
            refused.insert(part);
        }
    }
}

/// Returns how many messages are ready in each of these queues. All must exist.
pub(super) async fn ready_messages<const N: usize>(
    connection: &lapin::Connection,
    queues: [&str; N],
) -> Result<[u64; N], lapin::Error> {
    let channel = connection.create_channel().await?;
    let mut counts = [0; N];
    for (count, queue) in counts.iter_mut().zip(queues) {
        *count = u64::from(declare_passively(&channel, queue).await?);
    }
    channel.close(200, "OK".into()).await?;
    Ok(counts)
}

fn exchange(name: &str, kind: ExchangeKind, arguments: Arguments) -> Declaration {
    Declaration::Exchange { name: name.to_owned(), kind, arguments }
}

fn binding(queue: &str, exchange: &str, key: &'static str) -> Declaration {
    Declaration::Binding { queue: queue.to_owned(), exchange: exchange.to_owned(), key }
}

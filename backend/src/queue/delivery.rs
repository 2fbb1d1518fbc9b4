//! What a queue hands out, and how it is settled.

use std::borrow::Cow;

use quhao_common::process::metrics::LabelValue;

use super::{amqp, disposition::Disposition, sqlite};

/// Where a delivery came from, and so what has to be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// A job to run.
    Jobs {
        /// How often it was handed out before without being settled, as far as the queue
        /// knows: a hint, never a proof. Requeued deliveries count too in an embedded queue
        /// and with RabbitMQ before 4.3.
        unsettled: u32,
    },
    /// An outcome to commit, see [`crate::queue::Queue::hand_over`].
    Outcomes,
    /// A dead letter to look at.
    DeadLetters(DeadLetterReason),
}

/// Why a message was dead-lettered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterReason {
    /// It expired before a worker took it.
    Expired,
    /// It was delivered too often.
    DeliveryLimit,
    /// A worker settled it as [`Disposition::DeadLetter`].
    Rejected,
    /// A reason of the queue's own.
    Other,
}

impl DeadLetterReason {
    /// Returns its name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::DeliveryLimit => "delivery_limit",
            Self::Rejected => "rejected",
            Self::Other => "other",
        }
    }
}

impl LabelValue for DeadLetterReason {
    fn label_value(&self) -> Cow<'static, str> {
        self.as_str().into()
    }
}

/// One hand-out of an envelope to this process.
#[must_use = "a delivery that is not settled is delivered again"]
#[derive(Debug)]
pub struct Delivery {
    /// The sealed envelope, as it was published.
    pub body: Vec<u8>,
    /// Where it came from.
    pub lane: Lane,
    /// Whether the queue may have handed it out before: a hint, never a proof.
    pub redelivered: bool,
    /// What settles it.
    pub(super) receipt: Receipt,
}

/// What settles a delivery of either queue.
#[derive(Debug)]
pub(super) enum Receipt {
    Amqp(amqp::Receipt),
    Sqlite(sqlite::Receipt),
}

impl Delivery {
    /// Settles it.
    ///
    /// Returns at once. A settlement that does not reach the queue is counted in the
    /// metrics, and the delivery comes again.
    pub fn settle(self, disposition: Disposition) {
        match self.receipt {
            Receipt::Amqp(receipt) => receipt.settle(disposition),
            Receipt::Sqlite(receipt) => receipt.settle(disposition),
        }
    }
}

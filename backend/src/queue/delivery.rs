//! What a queue hands out, and how it is given back.

use super::{amqp, sqlite};

/// What to do with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Its outcome is committed: forget it.
    Ack,
    /// This worker cannot do it now: hand it to another, or to this one later.
    Requeue,
    /// Nobody will ever be able to read it: set it aside.
    DeadLetter,
}

/// Which way an envelope came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// To be worked on.
    Jobs {
        /// How often it was handed out before without having been settled, as far as the
        /// queue tells: a hint, never a proof. What a worker has returned counts on
        /// RabbitMQ before 4.3 and in an embedded queue.
        unsettled: u32,
    },
    /// An outcome that a worker has handed over, see [`crate::queue::Queue::hand_over`].
    Outcomes,
    /// It was set aside.
    DeadLetters(DeadLetterReason),
}

/// Why an envelope was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterReason {
    /// Its time was over before anybody took it.
    Expired,
    /// It came back too often.
    DeliveryLimit,
    /// Somebody settled it so.
    Rejected,
    /// For a reason of the queue's own.
    Other,
}

impl DeadLetterReason {
    /// The value of its metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::DeliveryLimit => "delivery_limit",
            Self::Rejected => "rejected",
            Self::Other => "other",
        }
    }
}

/// One hand-over of an envelope to this process.
#[must_use = "a delivery that is not settled is delivered again"]
#[derive(Debug)]
pub struct Delivery {
    /// What was published.
    pub body: Vec<u8>,
    /// Which way it came.
    pub lane: Lane,
    /// Whether the queue may have handed it out before. A hint, never a proof.
    pub redelivered: bool,
    pub(super) receipt: Receipt,
}

#[derive(Debug)]
pub(super) enum Receipt {
    Amqp(amqp::Receipt),
    Sqlite(sqlite::Receipt),
}

impl Delivery {
    /// Ends it. Does not wait; a settlement that the queue did not hear of is counted,
    /// and the delivery comes again.
    pub fn settle(self, disposition: Disposition) {
        match self.receipt {
            Receipt::Amqp(receipt) => receipt.settle(disposition),
            Receipt::Sqlite(receipt) => receipt.settle(disposition),
        }
    }
}

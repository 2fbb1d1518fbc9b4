//! One publish on its way from a caller to the owner task, and the answer on its way back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::timeout,
};

use crate::queue::{error::PublishError, message::Message};

/// A message to publish, and the caller who waits for it.
pub(in crate::queue::amqp) struct PublishRequest {
    pub(super) message: Message,
    pub(super) caller: Caller,
    ownership: Ownership,
}

impl PublishRequest {
    /// Creates a request, and what its caller waits for. `permit` is its place in the window.
    pub(super) fn new(message: Message, permit: OwnedSemaphorePermit) -> (Self, Confirm) {
        let (reply, answer) = oneshot::channel();
        let ownership = Ownership::default();
        let confirm = Confirm { answer, ownership: ownership.clone() };
        (Self { message, caller: Caller { reply, permit }, ownership }, confirm)
    }

    /// Claims the request for the owner task. Returns `false` if nobody waits for it any more.
    pub(super) fn claim(&self) -> bool {
        !self.caller.reply.is_closed() && self.ownership.take()
    }
}

/// The caller who waits for a publish.
pub(super) struct Caller {
    reply: oneshot::Sender<Result<(), PublishError>>,
    /// A place in the window, held until the broker has answered.
    permit: OwnedSemaphorePermit,
}

impl Caller {
    /// Sends the answer and frees the place in the window.
    pub(super) fn answer(self, answer: Result<(), PublishError>) {
        // The caller may have stopped waiting.
        let _ = self.reply.send(answer);
        drop(self.permit);
    }
}

/// The ownership of a request. Whichever side takes it first decides: the owner task publishes,
/// or the caller has given up before anything was sent.
#[derive(Debug, Clone, Default)]
struct Ownership(Arc<AtomicBool>);

impl Ownership {
    /// Takes the ownership. Returns whether the other side had not taken it before.
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// The broker's answer to a publish, to be waited for.
pub(super) struct Confirm {
    answer: oneshot::Receiver<Result<(), PublishError>>,
    ownership: Ownership,
}

impl Confirm {
    /// Waits for the answer, at most `limit`.
    pub(super) async fn wait(self, limit: Duration) -> Result<(), PublishError> {
        if let Ok(Ok(answer)) = timeout(limit, self.answer).await {
            return answer;
        }
        // No answer: the message was sent unless the owner has not claimed it yet.
        if self.ownership.take() {
            Err(PublishError::Unavailable)
        } else {
            Err(PublishError::Unconfirmed)
        }
    }
}

//! Which requests are published in one message.
//!
//! While few messages are in flight, every job is published at once, in a message of its own.
//! Once the broker is busy with some, jobs that arrive meanwhile are batched: the broker's
//! cost is by the message. A job waits until fewer than four messages are in flight, or until
//! it is one of sixteen that wait.

use std::collections::VecDeque;

use super::request::PublishRequest;
use crate::queue::{error::PublishError, message::MessageKind};
use quhao_common::envelope::batch::{ENVELOPES_MAX, fitting};

/// The number of messages in flight from which on requests wait to be batched. With a lower
/// one, a publisher would wait for the broker; with a much higher one, messages would stay
/// small when there is a lot to do.
pub(super) const BATCH_FROM: usize = 4;

/// Requests that are not published yet, in their order. Bounded by the window.
#[derive(Default)]
pub(super) struct Pending(VecDeque<PublishRequest>);

impl Pending {
    /// Adds a request.
    pub(super) fn push(&mut self, request: PublishRequest) {
        self.0.push_back(request);
    }

    /// Answers to all requests that nothing can be published now.
    pub(super) fn refuse_all(&mut self) {
        for request in self.0.drain(..) {
            if request.claim() {
                request.caller.answer(Err(PublishError::Unavailable));
            }
        }
    }

    /// Removes and returns the requests of the next message, if one may be published while so
    /// many are `in_flight`. While there are fewer than `batch_from`, any may. Drops requests
    /// that nobody waits for any more.
    pub(super) fn next(
        &mut self,
        in_flight: usize,
        batch_from: usize,
    ) -> Option<Vec<PublishRequest>> {
        while may_publish(self.0.len(), in_flight, batch_from) {
            // An outcome ends the batch, and is published in a message of its own.
            let sizes = self.0.iter().map_while(|request| match request.message.kind {
                MessageKind::Job { .. } => Some(request.message.body.len()),
                MessageKind::Outcome => None,
            });
            let count = fitting(sizes);
            let wanted: Vec<_> = self.0.drain(..count).filter(PublishRequest::claim).collect();
            if !wanted.is_empty() {
                return Some(wanted);
            }
        }
        None
    }
}

/// Returns whether a message may be published now that so many requests are `waiting`.
fn may_publish(waiting: usize, in_flight: usize, batch_from: usize) -> bool {
    waiting >= ENVELOPES_MAX || (waiting > 0 && in_flight < batch_from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_is_published_at_once_while_few_are_in_flight() {
        for in_flight in 0..BATCH_FROM {
            assert!(may_publish(1, in_flight, BATCH_FROM));
            assert!(!may_publish(0, in_flight, BATCH_FROM));
        }
    }

    #[test]
    fn partial_batch_waits_while_many_are_in_flight() {
        assert!(!may_publish(1, BATCH_FROM, BATCH_FROM));
        assert!(!may_publish(ENVELOPES_MAX - 1, 1000, BATCH_FROM));
        assert!(may_publish(ENVELOPES_MAX, 1000, BATCH_FROM));
    }

    #[test]
    fn everything_is_published_in_the_end() {
        assert!(may_publish(1, 1000, usize::MAX));
    }
}

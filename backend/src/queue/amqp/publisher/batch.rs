//! Which requests go into one message.
//!
//! While little is under way every job goes at once, in a message of its own. Once the
//! broker is busy with some, those that arrive meanwhile are packed together: the broker's
//! price is by the message. A job waits until fewer than four are under way, or until it is
//! one of sixteen.

use std::collections::VecDeque;

use time::OffsetDateTime;

use super::Request;
use crate::queue::{
    amqp::frame::{Frame, Letter},
    error::PublishError,
    message::Message,
};
use quhao_common::envelope::batch::{ENVELOPES_MAX, fitting};

/// Messages under way up to which nothing waits for company. With fewer, a publisher would
/// wait for the broker; with many more, messages stay small when there is a lot to do.
pub(super) const AT_ONCE_MIN: usize = 4;

/// Requests that are not published yet, in their order. Bounded by the window.
#[derive(Default)]
pub(super) struct Pending(VecDeque<Request>);

impl Pending {
    pub(super) fn push(&mut self, request: Request) {
        self.0.push_back(request);
    }

    /// Answers all that nothing can be sent now.
    pub(super) fn refuse(&mut self) {
        for request in self.0.drain(..) {
            if request.claim() {
                // The caller may have stopped waiting.
                let _ = request.reply.send(Err(PublishError::Unavailable));
            }
        }
    }

    /// Takes out what goes into the next message, if one may go while so many are
    /// `under_way`; fewer than `at_once` let anything go. Requests that nobody waits for any
    /// more are left out.
    pub(super) fn next(&mut self, under_way: usize, at_once: usize) -> Option<Vec<Request>> {
        while may_go(self.0.len(), under_way, at_once) {
            let sizes = self.0.iter().map_while(|request| match &request.letter {
                Letter::Job(parcel) => Some(parcel.body.len()),
                Letter::Outcome { .. } => None,
            });
            let count = fitting(sizes);
            let wanted: Vec<_> = self.0.drain(..count).filter(Request::claim).collect();
            if !wanted.is_empty() {
                return Some(wanted);
            }
        }
        None
    }
}

fn may_go(waiting: usize, under_way: usize, at_once: usize) -> bool {
    waiting >= ENVELOPES_MAX || (waiting > 0 && under_way < at_once)
}

/// The message with these letters: jobs, or a single outcome.
pub(super) fn message(letters: Vec<Letter>, now: OffsetDateTime) -> Option<Frame> {
    let mut parcels = Vec::<Message>::with_capacity(letters.len());
    for letter in letters {
        match letter {
            Letter::Job(parcel) => parcels.push(parcel),
            Letter::Outcome { id, body } => return Some(Frame::outcome(id, body, now)),
        }
    }
    match &parcels[..] {
        [first, others @ ..] if !others.is_empty() => Some(Frame::jobs(first, others, now)),
        _ => Some(Frame::job(parcels.pop()?, now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_waits_while_little_is_under_way() {
        for under_way in 0..AT_ONCE_MIN {
            assert!(may_go(1, under_way, AT_ONCE_MIN));
            assert!(!may_go(0, under_way, AT_ONCE_MIN));
        }
    }

    #[test]
    fn what_is_not_full_waits_while_much_is_under_way() {
        assert!(!may_go(1, AT_ONCE_MIN, AT_ONCE_MIN));
        assert!(!may_go(ENVELOPES_MAX - 1, 1000, AT_ONCE_MIN));
        assert!(may_go(ENVELOPES_MAX, 1000, AT_ONCE_MIN));
    }

    #[test]
    fn everything_goes_in_the_end() {
        assert!(may_go(1, 1000, usize::MAX));
    }
}

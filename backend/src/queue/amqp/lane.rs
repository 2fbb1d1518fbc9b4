//! Which way a message came, and what its headers say of its earlier life.
//!
//! Headers are the broker's word, but anybody who may publish can write them. So they
//! decide what a job is worth trying, never what it is.

use lapin::types::{AMQPValue, FieldTable};

use crate::queue::delivery::{DeadLetterReason, Lane};

/// How often a message came back to its quorum queue. Before RabbitMQ 4.3 each return
/// counts; from then on only what may have been the message's fault: a rejection, or a
/// consumer that was gone. (`x-acquired-count`, which is new there, counts all of them.)
const CAME_BACK: &str = "x-delivery-count";

/// Why a message was set aside first.
const FIRST_DEATH: &str = "x-first-death-reason";

/// What a subscription is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// One of the queues with jobs.
    Jobs,
    /// The queue with outcomes.
    Resume,
    /// The queue with what was set aside.
    Dead,
}

/// The lane of a message with these `headers` that came from `source`.
pub(super) fn lane(source: Source, headers: Option<&FieldTable>) -> Lane {
    match source {
        Source::Jobs => Lane::Jobs { unsettled: headers.map_or(0, came_back) },
        Source::Resume => Lane::Outcomes,
        Source::Dead => Lane::DeadLetters(headers.map_or(DeadLetterReason::Other, death)),
    }
}

fn came_back(headers: &FieldTable) -> u32 {
    let count = match headers.inner().get(CAME_BACK) {
        Some(AMQPValue::ShortShortInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortShortUInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortUInt(count)) => i64::from(*count),
        Some(AMQPValue::LongInt(count)) => i64::from(*count),
        Some(AMQPValue::LongUInt(count)) => i64::from(*count),
        Some(AMQPValue::LongLongInt(count)) => *count,
        _ => 0,
    };
    u32::try_from(count.max(0)).unwrap_or(u32::MAX)
}

fn death(headers: &FieldTable) -> DeadLetterReason {
    match headers.inner().get(FIRST_DEATH).and_then(text) {
        Some(b"expired") => DeadLetterReason::Expired,
        Some(b"delivery_limit") => DeadLetterReason::DeliveryLimit,
        Some(b"rejected") => DeadLetterReason::Rejected,
        _ => DeadLetterReason::Other,
    }
}

fn text(value: &AMQPValue) -> Option<&[u8]> {
    match value {
        AMQPValue::LongString(text) => Some(text.as_bytes()),
        AMQPValue::ShortString(text) => Some(text.as_str().as_bytes()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: AMQPValue) -> FieldTable {
        let mut headers = FieldTable::default();
        headers.insert(name.into(), value);
        headers
    }

    #[test]
    fn a_job_says_how_often_it_came_back_if_the_broker_does() {
        let unsettled = |headers: Option<&FieldTable>| lane(Source::Jobs, headers);
        assert_eq!(unsettled(None), Lane::Jobs { unsettled: 0 });
        for (value, expected) in [
            (AMQPValue::LongLongInt(3), 3),
            (AMQPValue::LongInt(4), 4),
            (AMQPValue::ShortShortUInt(200), 200),
            (AMQPValue::LongLongInt(-1), 0),
            (AMQPValue::LongLongInt(i64::MAX), u32::MAX),
            (AMQPValue::LongString("7".into()), 0),
        ] {
            let headers = headers(CAME_BACK, value);
            assert_eq!(unsettled(Some(&headers)), Lane::Jobs { unsettled: expected });
        }
        assert_eq!(
            unsettled(Some(&headers("x-acquired-count", AMQPValue::LongLongInt(9)))),
            Lane::Jobs { unsettled: 0 }
        );
    }

    #[test]
    fn what_was_set_aside_says_why() {
        for (word, expected) in [
            ("expired", DeadLetterReason::Expired),
            ("delivery_limit", DeadLetterReason::DeliveryLimit),
            ("rejected", DeadLetterReason::Rejected),
            ("maxlen", DeadLetterReason::Other),
        ] {
            let headers = headers(FIRST_DEATH, AMQPValue::LongString(word.into()));
            assert_eq!(lane(Source::Dead, Some(&headers)), Lane::DeadLetters(expected));
            assert_eq!(lane(Source::Resume, Some(&headers)), Lane::Outcomes);
        }
        assert_eq!(lane(Source::Dead, None), Lane::DeadLetters(DeadLetterReason::Other));
    }
}

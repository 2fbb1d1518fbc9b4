//! The lane of a message: which queue it came from, and what its headers say of its past.
//!
//! The broker writes these headers, but so can anybody who may publish. So they decide how a
//! job is tried, never what it is.

use lapin::types::{AMQPValue, FieldTable};

use crate::queue::delivery::{DeadLetterReason, Lane};

/// The header with how often a message came back to its quorum queue. Before RabbitMQ 4.3
/// each requeue counts; since then only what may have been the message's fault: a rejection,
/// or a consumer that was gone. (`x-acquired-count`, which is new there, counts all of them.)
const DELIVERY_COUNT: &str = "x-delivery-count";

/// The header with why a message was dead-lettered first.
const DEATH_REASON: &str = "x-first-death-reason";

/// What the queue of a subscription holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueueKind {
    /// Jobs: the queue of jobs, or that of unrouted messages.
    Jobs,
    /// Outcomes.
    Outcomes,
    /// Dead letters.
    DeadLetters,
}

/// Returns the lane of a message with these `headers` that came from a queue of this `kind`.
pub(super) fn lane(kind: QueueKind, headers: Option<&FieldTable>) -> Lane {
    match kind {
        QueueKind::Jobs => Lane::Jobs { unsettled: headers.map_or(0, delivery_count) },
        QueueKind::Outcomes => Lane::Outcomes,
        QueueKind::DeadLetters => {
            Lane::DeadLetters(headers.map_or(DeadLetterReason::Other, dead_letter_reason))
        }
    }
}

fn delivery_count(headers: &FieldTable) -> u32 {
    let count = match headers.inner().get(DELIVERY_COUNT) {
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

fn dead_letter_reason(headers: &FieldTable) -> DeadLetterReason {
    match headers.inner().get(DEATH_REASON).and_then(text) {
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
    fn delivery_count_is_read_if_the_broker_sends_it() {
        let of_job = |headers: Option<&FieldTable>| lane(QueueKind::Jobs, headers);
        assert_eq!(of_job(None), Lane::Jobs { unsettled: 0 });
        for (value, expected) in [
            (AMQPValue::LongLongInt(3), 3),
            (AMQPValue::LongInt(4), 4),
            (AMQPValue::ShortShortUInt(200), 200),
            (AMQPValue::LongLongInt(-1), 0),
            (AMQPValue::LongLongInt(i64::MAX), u32::MAX),
            (AMQPValue::LongString("7".into()), 0),
        ] {
            let headers = headers(DELIVERY_COUNT, value);
            assert_eq!(of_job(Some(&headers)), Lane::Jobs { unsettled: expected });
        }
        assert_eq!(
            of_job(Some(&headers("x-acquired-count", AMQPValue::LongLongInt(9)))),
            Lane::Jobs { unsettled: 0 }
        );
    }

    #[test]
    fn dead_letter_has_its_reason() {
        for (reason, expected) in [
            ("expired", DeadLetterReason::Expired),
            ("delivery_limit", DeadLetterReason::DeliveryLimit),
            ("rejected", DeadLetterReason::Rejected),
            ("maxlen", DeadLetterReason::Other),
        ] {
            let headers = headers(DEATH_REASON, AMQPValue::LongString(reason.into()));
            let dead_letter = lane(QueueKind::DeadLetters, Some(&headers));
            assert_eq!(dead_letter, Lane::DeadLetters(expected));
            assert_eq!(lane(QueueKind::Outcomes, Some(&headers)), Lane::Outcomes);
        }
        let unknown = lane(QueueKind::DeadLetters, None);
        assert_eq!(unknown, Lane::DeadLetters(DeadLetterReason::Other));
    }
}

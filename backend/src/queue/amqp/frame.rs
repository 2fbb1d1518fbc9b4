//! A message in the broker's form: body, routing key and properties.

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use time::OffsetDateTime;

use super::topology::{JOBS_KEY, OUTCOMES_KEY};
use crate::queue::message::{Message, MessageKind};
use quhao_common::{domain::id::JobId, envelope::batch};

/// AMQP's delivery mode for messages that survive a restart.
const PERSISTENT: u8 = 2;

/// What is published at once: an outcome, a job, or a batch of jobs.
pub(super) struct Frame {
    pub(super) routing_key: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) properties: BasicProperties,
}

impl Frame {
    /// Packs `messages`, several jobs or a single message, to be published at `now`. Returns
    /// `None` if there are none.
    pub(super) fn pack(mut messages: Vec<Message>, now: OffsetDateTime) -> Option<Self> {
        if messages.len() > 1 {
            return Self::batch(&messages, now);
        }
        Some(Self::single(messages.pop()?, now))
    }

    fn single(message: Message, now: OffsetDateTime) -> Self {
        let Message { id, body, kind } = message;
        match kind {
            MessageKind::Job { expires_at, traceparent } => {
                let mut properties = properties(id, "quhao.envelope", now)
                    .with_expiration(expiration(expires_at, now).into());
                // For whoever looks at the broker: workers read it from the body.
                if let Some(context) = traceparent {
                    let context = AMQPValue::LongString(context.as_str().into());
                    properties = properties.with_headers(header("traceparent", context));
                }
                Self { routing_key: JOBS_KEY, body, properties }
            }
            MessageKind::Outcome => {
                let properties = properties(id, "quhao.outcome", now);
                Self { routing_key: OUTCOMES_KEY, body, properties }
            }
        }
    }

    /// Packs several jobs. The id of the first one stands for all. The batch expires with the
    /// last of its jobs: a worker checks the deadline of each.
    fn batch(jobs: &[Message], now: OffsetDateTime) -> Option<Self> {
        let count = AMQPValue::LongInt(i32::try_from(jobs.len()).unwrap_or(i32::MAX));
        let mut properties = properties(jobs.first()?.id, "quhao.bundle", now)
            .with_headers(header("quhao-jobs", count));
        if let Some(expires_at) = jobs.iter().filter_map(deadline).max() {
            properties = properties.with_expiration(expiration(expires_at, now).into());
        }
        let body = batch::pack(jobs.iter().map(|job| job.body.as_slice()));
        Some(Self { routing_key: JOBS_KEY, body, properties })
    }
}

fn deadline(message: &Message) -> Option<OffsetDateTime> {
    match message.kind {
        MessageKind::Job { expires_at, .. } => Some(expires_at),
        MessageKind::Outcome => None,
    }
}

/// Returns the properties that all have. The id is written without its tag.
fn properties(id: JobId, kind: &'static str, now: OffsetDateTime) -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/octet-stream".into())
        .with_type(kind.into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(id.to_string().into())
        .with_timestamp(u64::try_from(now.unix_timestamp()).unwrap_or_default())
}

fn header(name: &'static str, value: AMQPValue) -> FieldTable {
    let mut headers = FieldTable::default();
    headers.insert(name.into(), value);
    headers
}

/// Returns AMQP's `expiration`: whole milliseconds from now, at least 1. Whether it is still
/// worth publishing was decided before, and 0 would mean "only if it can be delivered at once".
fn expiration(expires_at: OffsetDateTime, now: OffsetDateTime) -> String {
    let remaining = (expires_at - now).whole_milliseconds();
    u64::try_from(remaining).unwrap_or_default().max(1).to_string()
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 12:00:00 UTC);

    fn job(id: u8, lifetime_ms: i64, traceparent: Option<&str>) -> Message {
        let kind = MessageKind::Job {
            expires_at: NOW + Duration::milliseconds(lifetime_ms),
            traceparent: traceparent.map(str::to_owned),
        };
        Message { id: JobId::from_bytes([id; 25]), body: vec![id; 6], kind }
    }

    fn pack<const N: usize>(messages: [Message; N]) -> Frame {
        Frame::pack(messages.into(), NOW).unwrap()
    }

    fn single(traceparent: Option<&str>) -> BasicProperties {
        pack([job(7, 240_500, traceparent)]).properties
    }

    fn text(value: Option<&lapin::types::ShortString>) -> String {
        value.unwrap().to_string()
    }

    #[test]
    fn properties_hold_what_broker_and_operator_need() {
        let properties = single(None);
        assert_eq!(text(properties.expiration().as_ref()), "240500");
        assert_eq!(text(properties.message_id().as_ref()), JobId::from_bytes([7; 25]).to_string());
        assert_eq!(text(properties.kind().as_ref()), "quhao.envelope");
        assert_eq!(*properties.delivery_mode(), Some(2));
        assert_eq!(*properties.timestamp(), Some(1_795_348_800));
        assert_eq!(*properties.headers(), None);
    }

    #[test]
    fn tag_of_an_id_is_not_published() {
        let published = text(single(None).message_id().as_ref());
        assert!(published.len() < JobId::from_bytes([7; 25]).wire().len());
    }

    #[test]
    fn trace_context_is_published_as_a_header() {
        let headers = single(Some("00-abc-def-01")).headers().clone().unwrap();
        let expected = AMQPValue::LongString("00-abc-def-01".into());
        assert_eq!(headers.inner().get("traceparent"), Some(&expected));
    }

    #[test]
    fn batch_expires_with_its_last_job() {
        let early = job(7, 1000, Some("00-abc-def-01"));
        let late = job(8, 9000, None);
        for [first, second] in [[&early, &late], [&late, &early]] {
            let Frame { routing_key, body, properties } = pack([first.clone(), second.clone()]);
            assert_eq!(batch::unpack(&body).unwrap(), [&first.body, &second.body]);
            assert_eq!(routing_key, JOBS_KEY);
            assert_eq!(text(properties.expiration().as_ref()), "9000");
            assert_eq!(text(properties.message_id().as_ref()), first.id.to_string());
            let headers = properties.headers().clone().unwrap();
            assert_eq!(headers.inner().len(), 1);
            assert_eq!(headers.inner().get("quhao-jobs"), Some(&AMQPValue::LongInt(2)));
        }
    }

    #[test]
    fn outcome_never_expires() {
        let id = JobId::from_bytes([7; 25]);
        let kind = MessageKind::Outcome;
        let outcome = pack([Message { id, body: b"sealed".to_vec(), kind }]);
        let properties = &outcome.properties;
        let of_job = single(None);
        assert_eq!(*properties.expiration(), None);
        assert_eq!(properties.message_id(), of_job.message_id());
        assert_eq!((*properties.delivery_mode(), properties.headers()), (Some(2), &None));
        assert_ne!((properties.kind(), outcome.routing_key), (of_job.kind(), JOBS_KEY));
        assert_eq!(outcome.body, b"sealed");
    }

    #[test]
    fn late_message_expires_in_a_millisecond() {
        assert_eq!(expiration(NOW, NOW), "1");
        assert_eq!(expiration(NOW - Duration::HOUR, NOW), "1");
        assert_eq!(expiration(NOW + Duration::SECOND, NOW), "1000");
    }
}

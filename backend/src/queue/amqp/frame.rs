//! What is published, and what goes along with it outside its sealed body.

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use time::OffsetDateTime;

use super::topology::{JOBS_KEY, RESUME_KEY};
use crate::queue::message::Message;
use quhao_common::{domain::id::JobId, envelope::batch};

/// AMQP's number for "survives a restart".
const PERSISTENT: u8 = 2;

/// What is to be published.
pub(super) enum Letter {
    /// A job for whoever takes it.
    Job(Message),
    /// An outcome that its worker could not commit. It never expires.
    Outcome { id: JobId, body: Vec<u8> },
}

/// A message as the broker gets it.
pub(super) struct Frame {
    /// The routing key.
    pub(super) key: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) properties: BasicProperties,
}

impl Frame {
    /// A job of its own, published at `now`. Its trace context is there for whoever looks
    /// at the broker.
    pub(super) fn job(parcel: Message, now: OffsetDateTime) -> Self {
        let properties = properties(parcel.id, "quhao.envelope", now)
            .with_expiration(expiration(parcel.expires_at, now).into());
        let properties = match &parcel.traceparent {
            None => properties,
            Some(context) => {
                let context = AMQPValue::LongString(context.as_str().into());
                properties.with_headers(header("traceparent", context))
            }
        };
        Self { key: JOBS_KEY, body: parcel.body, properties }
    }

    /// Several jobs. The broker drops them when the last one is too late: each is judged by
    /// its own deadline. The first one's id stands for all.
    pub(super) fn jobs(first: &Message, others: &[Message], now: OffsetDateTime) -> Self {
        let all: Vec<_> = std::iter::once(first).chain(others).collect();
        let last = others.iter().map(|parcel| parcel.expires_at).fold(first.expires_at, Ord::max);
        let count = AMQPValue::LongInt(i32::try_from(all.len()).unwrap_or(i32::MAX));
        let properties = properties(first.id, "quhao.bundle", now)
            .with_expiration(expiration(last, now).into())
            .with_headers(header("quhao-jobs", count));
        let body = batch::pack(all.iter().map(|parcel| parcel.body.as_slice()));
        Self { key: JOBS_KEY, body, properties }
    }

    /// An outcome.
    pub(super) fn outcome(id: JobId, body: Vec<u8>, now: OffsetDateTime) -> Self {
        Self { key: RESUME_KEY, body, properties: properties(id, "quhao.outcome", now) }
    }
}

/// What all have. The id is written without its tag.
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

/// AMQP's `expiration`: whole milliseconds from now. At least 1: whether it is worth
/// publishing was decided before, and 0 would mean "only if somebody takes it at once".
fn expiration(expires_at: OffsetDateTime, now: OffsetDateTime) -> String {
    let remaining = (expires_at - now).whole_milliseconds();
    u64::try_from(remaining).unwrap_or_default().max(1).to_string()
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 12:00:00 UTC);

    fn parcel(id: u8, lives_ms: i64, traceparent: Option<&str>) -> Message {
        Message {
            id: JobId::from_bytes([id; 25]),
            body: vec![id; 6],
            expires_at: NOW + Duration::milliseconds(lives_ms),
            traceparent: traceparent.map(str::to_owned),
        }
    }

    fn job(traceparent: Option<&str>) -> BasicProperties {
        Frame::job(parcel(7, 240_500, traceparent), NOW).properties
    }

    fn text(value: Option<&lapin::types::ShortString>) -> String {
        value.unwrap().to_string()
    }

    #[test]
    fn properties_say_what_the_broker_and_an_operator_need_and_no_more() {
        let properties = job(None);
        assert_eq!(text(properties.expiration().as_ref()), "240500");
        assert_eq!(text(properties.message_id().as_ref()), JobId::from_bytes([7; 25]).to_string());
        assert_eq!(text(properties.kind().as_ref()), "quhao.envelope");
        assert_eq!(*properties.delivery_mode(), Some(2));
        assert_eq!(*properties.timestamp(), Some(1_795_348_800));
        assert_eq!(*properties.headers(), None);
    }

    #[test]
    fn the_tag_of_an_id_stays_here() {
        assert!(
            text(job(None).message_id().as_ref()).len() < JobId::from_bytes([7; 25]).wire().len()
        );
    }

    #[test]
    fn trace_context_travels_as_a_header() {
        let headers = job(Some("00-abc-def-01")).headers().clone().unwrap();
        let expected = AMQPValue::LongString("00-abc-def-01".into());
        assert_eq!(headers.inner().get("traceparent"), Some(&expected));
    }

    #[test]
    fn a_bundle_lives_as_long_as_its_longest_job_and_says_how_many_it_has() {
        let [first, second] = [parcel(7, 1000, Some("00-abc-def-01")), parcel(8, 9000, None)];
        for (first, others) in [(&first, vec![second.clone()]), (&second, vec![first.clone()])] {
            let Frame { key, body, properties } = Frame::jobs(first, &others, NOW);
            assert_eq!(batch::unpack(&body).unwrap(), [&first.body, &others[0].body]);
            assert_eq!(
                (key, text(properties.expiration().as_ref())),
                (JOBS_KEY, "9000".to_owned())
            );
            assert_eq!(text(properties.message_id().as_ref()), first.id.to_string());
            let headers = properties.headers().clone().unwrap();
            assert_eq!(headers.inner().len(), 1);
            assert_eq!(headers.inner().get("quhao-jobs"), Some(&AMQPValue::LongInt(2)));
        }
    }

    #[test]
    fn an_outcome_has_no_end_and_tells_no_more_than_a_job() {
        let outcome = Frame::outcome(JobId::from_bytes([7; 25]), b"sealed".to_vec(), NOW);
        let (told, of_job) = (&outcome.properties, job(None));
        assert_eq!(*told.expiration(), None);
        assert_eq!(told.message_id(), of_job.message_id());
        assert_eq!((*told.delivery_mode(), told.headers()), (Some(2), &None));
        assert_ne!((told.kind(), outcome.key), (of_job.kind(), JOBS_KEY));
        assert_eq!(outcome.body, b"sealed");
    }

    #[test]
    fn what_is_too_late_expires_in_a_millisecond_not_at_once() {
        assert_eq!(expiration(NOW, NOW), "1");
        assert_eq!(expiration(NOW - Duration::HOUR, NOW), "1");
        assert_eq!(expiration(NOW + Duration::SECOND, NOW), "1000");
    }
}

//! What is published, and what goes along with it outside its sealed body.

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use time::OffsetDateTime;

use super::topology::{JOBS_KEY, RESUME_KEY};
use crate::{id::JobId, queue::Parcel};

/// AMQP's number for "survives a restart".
const PERSISTENT: u8 = 2;

/// What is published.
pub(super) enum Letter {
    /// A job for whoever takes it.
    Job(Parcel),
    /// An outcome that its worker could not commit. It never expires.
    Outcome { id: JobId, body: Vec<u8> },
}

impl Letter {
    /// The routing key.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Job(_) => JOBS_KEY,
            Self::Outcome { .. } => RESUME_KEY,
        }
    }

    pub(super) fn body(&self) -> &[u8] {
        match self {
            Self::Job(parcel) => &parcel.body,
            Self::Outcome { body, .. } => body,
        }
    }

    /// For a publish at `now`. The id is written without its tag.
    pub(super) fn properties(&self, now: OffsetDateTime) -> BasicProperties {
        let (id, kind) = match self {
            Self::Job(parcel) => (parcel.id, "quhao.envelope.v1"),
            Self::Outcome { id, .. } => (*id, "quhao.outcome.v1"),
        };
        let properties = BasicProperties::default()
            .with_content_type("application/octet-stream".into())
            .with_type(kind.into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(id.to_string().into())
            .with_timestamp(u64::try_from(now.unix_timestamp()).unwrap_or_default());
        let Self::Job(parcel) = self else { return properties };
        let remaining = remaining_ms(parcel.expires_at, now).to_string();
        let properties = properties.with_expiration(remaining.into());
        let Some(traceparent) = &parcel.traceparent else { return properties };
        let mut headers = FieldTable::default();
        headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.as_str().into()));
        properties.with_headers(headers)
    }
}

/// AMQP's `expiration`: whole milliseconds from now. At least 1: whether it is worth
/// publishing was decided before, and 0 would mean "only if somebody takes it at once".
fn remaining_ms(expires_at: OffsetDateTime, now: OffsetDateTime) -> u64 {
    u64::try_from((expires_at - now).whole_milliseconds()).unwrap_or_default().max(1)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 12:00:00 UTC);

    fn job(traceparent: Option<&str>) -> Letter {
        Letter::Job(Parcel {
            id: JobId::from_bytes([7; 25]),
            body: b"sealed".to_vec(),
            expires_at: NOW + time::Duration::milliseconds(240_500),
            traceparent: traceparent.map(str::to_owned),
        })
    }

    #[test]
    fn properties_say_what_the_broker_and_an_operator_need_and_no_more() {
        let properties = job(None).properties(NOW);
        let text = |value: &Option<lapin::types::ShortString>| value.clone().unwrap().to_string();
        assert_eq!(text(properties.expiration()), "240500");
        assert_eq!(text(properties.message_id()), JobId::from_bytes([7; 25]).to_string());
        assert_eq!(text(properties.kind()), "quhao.envelope.v1");
        assert_eq!(*properties.delivery_mode(), Some(2));
        assert_eq!(*properties.timestamp(), Some(1_795_348_800));
        assert_eq!(*properties.headers(), None);
    }

    #[test]
    fn the_tag_of_an_id_stays_here() {
        let properties = job(None).properties(NOW);
        let told = properties.message_id().clone().unwrap().to_string();
        assert!(told.len() < JobId::from_bytes([7; 25]).wire().len());
    }

    #[test]
    fn trace_context_travels_as_a_header() {
        let properties = job(Some("00-abc-def-01")).properties(NOW);
        let headers = properties.headers().clone().unwrap();
        let expected = AMQPValue::LongString("00-abc-def-01".into());
        assert_eq!(headers.inner().get("traceparent"), Some(&expected));
    }

    #[test]
    fn an_outcome_has_no_end_and_tells_no_more_than_a_job() {
        let outcome = Letter::Outcome { id: JobId::from_bytes([7; 25]), body: b"sealed".to_vec() };
        let (told, of_job) = (outcome.properties(NOW), job(None).properties(NOW));
        assert_eq!(*told.expiration(), None);
        assert_eq!(told.message_id(), of_job.message_id());
        assert_eq!((*told.delivery_mode(), told.headers()), (Some(2), &None));
        assert_ne!((told.kind(), outcome.key()), (of_job.kind(), job(None).key()));
        assert_eq!(outcome.body(), b"sealed");
    }

    #[test]
    fn what_is_too_late_expires_in_a_millisecond_not_at_once() {
        assert_eq!(remaining_ms(NOW, NOW), 1);
        assert_eq!(remaining_ms(NOW - time::Duration::HOUR, NOW), 1);
        assert_eq!(remaining_ms(NOW + time::Duration::SECOND, NOW), 1000);
    }
}

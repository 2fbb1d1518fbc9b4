//! What goes along with an envelope, outside its sealed body.

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use time::OffsetDateTime;

use crate::queue::Parcel;

/// AMQP's number for "survives a restart".
const PERSISTENT: u8 = 2;

/// For a publish at `now`. The id is written without its tag.
pub(super) fn properties(parcel: &Parcel, now: OffsetDateTime) -> BasicProperties {
    let properties = BasicProperties::default()
        .with_content_type("application/octet-stream".into())
        .with_type("quhao.envelope.v1".into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(parcel.id.to_string().into())
        .with_timestamp(u64::try_from(now.unix_timestamp()).unwrap_or_default())
        .with_expiration(remaining_ms(parcel.expires_at, now).to_string().into());
    let Some(traceparent) = &parcel.traceparent else { return properties };
    let mut headers = FieldTable::default();
    headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.as_str().into()));
    properties.with_headers(headers)
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
    use crate::id::JobId;

    const NOW: OffsetDateTime = datetime!(2026-11-22 12:00:00 UTC);

    fn parcel(traceparent: Option<&str>) -> Parcel {
        Parcel {
            id: JobId::from_bytes([7; 25]),
            body: b"sealed".to_vec(),
            expires_at: NOW + time::Duration::milliseconds(240_500),
            traceparent: traceparent.map(str::to_owned),
        }
    }

    #[test]
    fn properties_say_what_the_broker_and_an_operator_need_and_no_more() {
        let properties = properties(&parcel(None), NOW);
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
        let properties = properties(&parcel(None), NOW);
        let told = properties.message_id().clone().unwrap().to_string();
        assert!(told.len() < JobId::from_bytes([7; 25]).wire().len());
    }

    #[test]
    fn trace_context_travels_as_a_header() {
        let properties = properties(&parcel(Some("00-abc-def-01")), NOW);
        let headers = properties.headers().clone().unwrap();
        let expected = AMQPValue::LongString("00-abc-def-01".into());
        assert_eq!(headers.inner().get("traceparent"), Some(&expected));
    }

    #[test]
    fn what_is_too_late_expires_in_a_millisecond_not_at_once() {
        assert_eq!(remaining_ms(NOW, NOW), 1);
        assert_eq!(remaining_ms(NOW - time::Duration::HOUR, NOW), 1);
        assert_eq!(remaining_ms(NOW + time::Duration::SECOND, NOW), 1000);
    }
}

//! The body of a callback: an event and its job.

use std::borrow::Cow;

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::{job::JobObject, schema, timestamp::Timestamp};
use crate::domain::callback_target::CallbackEvent;

/// Every event.
pub const EVENTS: [CallbackEvent; 2] = [CallbackEvent::Succeeded, CallbackEvent::Failed];

/// The event of a job's result.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventObject {
    /// The type of the event.
    #[schema(value_type = EventName)]
    r#type: &'static str,
    /// When the result was known.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// The job, without `callback`. Its `result` is null unless the app's `callback_body` is
    /// `whole`: fetch it from `url`.
    data: JobObject,
}

impl EventObject {
    /// Creates the event of `job`, whose result was known at `known_at`.
    pub fn new(event: CallbackEvent, known_at: OffsetDateTime, job: JobObject) -> Self {
        Self { r#type: event.type_name(), timestamp: Timestamp(known_at), data: job }
    }
}

/// The types of an event.
#[derive(Debug)]
pub struct EventName;

impl PartialSchema for EventName {
    fn schema() -> RefOr<Schema> {
        schema::names(EVENTS.map(CallbackEvent::type_name))
    }
}

impl ToSchema for EventName {
    fn name() -> Cow<'static, str> {
        "EventType".into()
    }
}

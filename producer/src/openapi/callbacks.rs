//! The description of callbacks: requests of the worker to the client's server.

use quhao_common::{
    api::event::{EVENTS, EventObject},
    domain::callback_target::CallbackEvent,
};
use utoipa::{
    ToSchema,
    openapi::{
        Content, HttpMethod, ObjectBuilder, PathItem, Paths, PathsBuilder, Ref, Required, Response,
        Type,
        path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
    },
};

/// The tag of operations about callbacks.
pub(super) const TAG: &str = "callbacks";

/// A header of a callback.
struct HeaderText {
    name: &'static str,
    description: &'static str,
}

/// The headers that prove where a callback comes from.
const HEADERS: [HeaderText; 3] = [
    HeaderText {
        name: "webhook-id",
        description: "The job's id and `_succeeded` or `_failed`: the same at every attempt.",
    },
    HeaderText {
        name: "webhook-timestamp",
        description: "When this attempt was made, in seconds since 1970.",
    },
    HeaderText {
        name: "webhook-signature",
        description: "`v1,` and base64 of the HMAC-SHA256 of id, timestamp and body, joined by \
                      dots. While a secret is rotated there are several, separated by blanks: \
                      one valid signature is enough.",
    },
];

/// A response of the receiver.
struct ResponseText {
    status: &'static str,
    consequence: &'static str,
}

/// What the receiver may answer.
const RESPONSES: [ResponseText; 3] = [
    ResponseText { status: "2XX", consequence: "You have it: it is not sent again." },
    ResponseText { status: "410", consequence: "You want no more of it: it is not sent again." },
    ResponseText {
        status: "default",
        consequence: "It is sent again, with growing pauses, until its time or its attempts are \
                      over. With 429, 502, 503 and 504 `Retry-After` counts. Redirects are not \
                      followed.",
    },
];

/// Returns one description for each event of a job.
pub(super) fn webhooks() -> Paths {
    let all = EVENTS.into_iter().fold(PathsBuilder::new(), |all, event| {
        all.path(event.type_name(), PathItem::new(HttpMethod::Post, operation(event)))
    });
    all.build()
}

/// Returns the request that notifies of `event`.
fn operation(event: CallbackEvent) -> Operation {
    let (id, summary) = match event {
        CallbackEvent::Succeeded => ("job_succeeded", "A job succeeded"),
        CallbackEvent::Failed => ("job_failed", "A job failed"),
    };
    let about = "Sent to the job's `callback_url`, at least once, signed with the client's webhook \
                 secrets as Standard Webhooks say. Recognise repeated events by `webhook-id`. \
                 A late success may replace a failure: then both events may come.";
    let event = Content::new(Some(Ref::from_schema_name(EventObject::name())));
    let body = RequestBodyBuilder::new()
        .content("application/json", event)
        .description(Some("The result stays with quhao unless the app says otherwise."))
        .required(Some(Required::True));
    let operation = OperationBuilder::new()
        .tag(TAG)
        .operation_id(Some(id))
        .summary(Some(summary))
        .description(Some(about))
        .parameters(Some(HEADERS.iter().map(header)))
        .request_body(Some(body.build()));
    let with_responses = RESPONSES.into_iter().fold(operation, |operation, text| {
        operation.response(text.status, Response::new(text.consequence))
    });
    with_responses.build()
}

/// Returns the description of a header that every callback has.
fn header(text: &HeaderText) -> Parameter {
    let parameter = ParameterBuilder::new()
        .name(text.name)
        .parameter_in(ParameterIn::Header)
        .required(Required::True)
        .description(Some(text.description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
    parameter.build()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::openapi_json;

    #[test]
    fn every_event_is_described_with_headers_and_body() {
        let api: Value = serde_json::from_str(&openapi_json()).expect("JSON");
        let webhooks = api["webhooks"].as_object().expect("webhooks");
        let names: Vec<&String> = webhooks.keys().collect();
        assert_eq!(names, ["job.failed", "job.succeeded"]);
        for (name, item) in webhooks {
            let parameters = item["post"]["parameters"].as_array().expect("headers");
            let headers = parameters.iter().map(|it| (it["in"].as_str(), it["name"].as_str()));
            let expected = ["webhook-id", "webhook-timestamp", "webhook-signature"]
                .map(|name| (Some("header"), Some(name)));
            assert_eq!(headers.collect::<Vec<_>>(), expected, "{name}");
            let body = &item["post"]["requestBody"]["content"]["application/json"]["schema"];
            assert_eq!(body["$ref"], "#/components/schemas/Event", "{name}");
        }
        let event = &api["components"]["schemas"]["Event"];
        let required: Vec<&str> =
            event["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(required, ["type", "timestamp", "data"]);
        let types = &api["components"]["schemas"]["EventType"]["enum"];
        assert_eq!(*types, serde_json::json!(["job.succeeded", "job.failed"]));
        assert!(event["properties"]["data"].to_string().contains("#/components/schemas/Job\""));
    }
}

//! The description of callbacks, which the worker sends: requests to the client's server.

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

/// What operations about callbacks are sorted by.
pub(super) const TAG: &str = "callbacks";

/// The headers with which a callback proves where it comes from.
const HEADERS: [(&str, &str); 3] = [
    ("webhook-id", "The job's id and `_succeeded` or `_failed`: the same at every attempt."),
    ("webhook-timestamp", "When this attempt was made, in seconds since 1970."),
    (
        "webhook-signature",
        "`v1,` and base64 of the HMAC-SHA256 of id, timestamp and body, parted by dots. Several, \
         parted by blanks, while a secret is rotated: one that holds is enough.",
    ),
];

/// What the receiver may answer, and what follows.
const ANSWERS: [(&str, &str); 3] = [
    ("2XX", "You have it: it is not sent again."),
    ("410", "You want no more of it: it is not sent again."),
    (
        "default",
        "It is sent again, with growing pauses, until its time or its attempts are over. With \
         429, 502, 503 and 504 `Retry-After` counts. Redirects are not followed.",
    ),
];

/// One description for each word of a job.
pub(super) fn webhooks() -> Paths {
    let all = EVENTS.into_iter().fold(PathsBuilder::new(), |all, event| {
        all.path(event.type_name(), PathItem::new(HttpMethod::Post, operation(event)))
    });
    all.build()
}

fn operation(event: CallbackEvent) -> Operation {
    let (id, summary) = match event {
        CallbackEvent::Succeeded => ("job_succeeded", "Word that a job succeeded"),
        CallbackEvent::Failed => ("job_failed", "Word that a job failed"),
    };
    let about = "Sent to the job's `callback_url`, at least once, signed with the client's webhook \
                 secrets as Standard Webhooks say. Sort out what has come before by `webhook-id`. \
                 A late success may replace a failure: word of both may come.";
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
        .parameters(Some(HEADERS.map(header)))
        .request_body(Some(body.build()));
    let answered = ANSWERS.into_iter().fold(operation, |operation, (status, follows)| {
        operation.response(status, Response::new(follows))
    });
    answered.build()
}

fn header((name, about): (&str, &str)) -> Parameter {
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::True)
        .description(Some(about))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
    parameter.build()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::openapi_json;

    #[test]
    fn every_word_is_described_with_what_proves_it_and_what_it_says() {
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

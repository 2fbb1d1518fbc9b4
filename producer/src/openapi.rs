//! The API's description (`OpenAPI` 3.1), from the routes and the documentation of their types.

use quhao_common::api::event::EventObject;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, Info, License, OpenApi, RefOr, Schema, Tag, Type,
        path::{Operation, Parameter, PathItem},
        schema::SchemaType,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use crate::{
    http::{
        problem::{ProblemBody, ProblemCode},
        problem_responses::{add_problems, header},
    },
    router,
};

mod callbacks;

const ABOUT: &str = "\
Turns what a mini-program has of its guest (a login code, an encrypted phone payload, the \
phone button's code) into a phone number.

Errors are `application/problem+json` (RFC 9457), also for paths that do not exist (404) and \
methods that a path does not have (405, with `Allow`). Every answer carries `x-request-id`: the \
request's own if it was 1 to 64 visible ASCII characters. Only bytes that are not HTTP/1.1, \
and heads of more than 256 fields or 128 KiB, get an answer without a body.";

/// The tags that operations are sorted by, in reading order, each with what it is about.
const TAGS: [(&str, &str); 5] = [
    ("jobs", "Submit what a mini-program has of its guest, and ask for the result."),
    ("sessions", "A guest's session decrypts later payloads without a new login."),
    ("erasure", "Erase results, sessions and callbacks before their retention is over."),
    (
        callbacks::TAG,
        "Requests that your server answers: notifications of results, for jobs that ask for them.",
    ),
    ("operations", "For operators of quhao."),
];

/// Returns the API's description as indented JSON, always in the same order.
pub fn openapi_json() -> String {
    let (_, mut api) = router::described().split_for_parts();
    complete(&mut api);
    #[expect(clippy::expect_used, reason = "a description is strings and maps of strings")]
    let mut text = api.to_pretty_json().expect("serialisable");
    text.push('\n');
    text
}

/// Adds what applies to the API as a whole.
fn complete(api: &mut OpenApi) {
    api.info = Info::new("quhao", env!("CARGO_PKG_VERSION"));
    api.info.description = Some(ABOUT.to_owned());
    api.info.license = Some(License::new("MIT"));
    api.webhooks = Some(callbacks::webhooks());
    api.tags = Some(TAGS.iter().map(|(name, about)| tag(name, about)).collect());
    let components = api.components.get_or_insert_with(Components::new);
    let mut schemas = vec![(ProblemBody::name().into_owned(), ProblemBody::schema())];
    ProblemBody::schemas(&mut schemas);
    schemas.push((EventObject::name().into_owned(), EventObject::schema()));
    EventObject::schemas(&mut schemas);
    components.schemas.extend(schemas);
    components.add_security_scheme(
        "api_key",
        SecurityScheme::Http(Http::builder().scheme(HttpAuthScheme::Bearer).build()),
    );
    for operation in api.paths.paths.values_mut().flat_map(operations) {
        add_problems(&mut operation.responses.responses, PROBLEMS_EVERYWHERE);
        operation.parameters.iter_mut().flatten().for_each(forbid_null);
        for response in operation.responses.responses.values_mut() {
            if let RefOr::T(response) = response {
                let header = header(Type::String, "Names the request, for the operator's logs");
                response.headers.insert("x-request-id".to_owned(), header);
            }
        }
    }
}

/// Returns the operations of a path.
fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, options, head, patch, trace, .. } = path;
    [get, put, post, delete, options, head, patch, trace].into_iter().flatten()
}

/// Creates a tag.
fn tag(name: &str, about: &str) -> Tag {
    let mut tag = Tag::new(name);
    tag.description = Some(about.to_owned());
    tag
}

/// Problems that any request can be answered with.
const PROBLEMS_EVERYWHERE: &[ProblemCode] = &[
    ProblemCode::UriTooLong,
    ProblemCode::HeadersTooLarge,
    ProblemCode::Internal,
    ProblemCode::TimedOut,
];

/// Removes null from the types of a parameter: HTTP knows none, a parameter is left out.
fn forbid_null(parameter: &mut RefOr<Parameter>) {
    if let RefOr::T(parameter) = parameter
        && let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema
        && let SchemaType::Array(types) = &mut schema.schema_type
    {
        types.retain(|kind| *kind != Type::Null);
        if let [only] = &types[..] {
            schema.schema_type = only.clone().into();
        }
    }
}

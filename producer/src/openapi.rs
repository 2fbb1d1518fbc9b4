//! The API's description, from the routes and from what their types say.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write};

use quhao_common::{failure::FailureCode, job::Shape};
use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{
        Components, Content, Header, Info, License, ObjectBuilder, OpenApi, Ref, RefOr, Response,
        Schema, Type,
        path::{Operation, Parameter, PathItem},
        schema::SchemaType,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use crate::{
    problem::{self, ProblemBody, ProblemCode},
    router,
};

const ABOUT: &str = "\
Turns a mini-program login code and an encrypted phone payload into a phone number.

Errors are `application/problem+json` (RFC 9457), also for paths that do not exist (404) and \
methods that a path does not have (405, with `Allow`). Every answer carries `x-request-id`: the \
request's own if it was 1 to 64 visible ASCII characters. Only bytes that are not HTTP/1.1, \
and heads of more than 256 fields or 128 KiB, get an answer without a body.";

/// The API's description (`OpenAPI` 3.1), indented, always in the same order.
pub fn openapi_json() -> String {
    let (_, mut api) = router::described().split_for_parts();
    complete(&mut api);
    #[expect(clippy::expect_used, reason = "a description is strings and maps of strings")]
    let mut text = api.to_pretty_json().expect("serialisable");
    text.push('\n');
    text
}

/// Adds what holds for the API as a whole.
fn complete(api: &mut OpenApi) {
    api.info = Info::new("quhao", env!("CARGO_PKG_VERSION"));
    api.info.description = Some(ABOUT.to_owned());
    api.info.license = Some(License::new("MIT"));
    let components = api.components.get_or_insert_with(Components::new);
    let mut schemas = vec![(ProblemBody::name().into_owned(), ProblemBody::schema())];
    ProblemBody::schemas(&mut schemas);
    components.schemas.extend(schemas);
    components.add_security_scheme(
        "api_key",
        SecurityScheme::Http(Http::builder().scheme(HttpAuthScheme::Bearer).build()),
    );
    for operation in api.paths.paths.values_mut().flat_map(operations) {
        add_problems(&mut operation.responses.responses, EVERYWHERE);
        operation.parameters.iter_mut().flatten().for_each(forbid_null);
        for response in operation.responses.responses.values_mut() {
            if let RefOr::T(response) = response {
                let header = header(Type::String, "Names the request, for the operator's logs");
                response.headers.insert("x-request-id".to_owned(), header);
            }
        }
    }
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.post].into_iter().flatten()
}

/// What any request can meet.
const EVERYWHERE: &[ProblemCode] = &[
    ProblemCode::UriTooLong,
    ProblemCode::HeadersTooLarge,
    ProblemCode::Internal,
    ProblemCode::TimedOut,
];

/// What a submission can meet besides.
pub(crate) struct SubmitProblems;

impl IntoResponses for SubmitProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = BTreeMap::new();
        let codes = [
            ProblemCode::MalformedJson,
            ProblemCode::IncompleteBody,
            ProblemCode::Unauthorized,
            ProblemCode::NotFound,
            ProblemCode::RequestTimeout,
            ProblemCode::BodyTooLarge,
            ProblemCode::UnsupportedMediaType,
            ProblemCode::InvalidRequest,
            ProblemCode::Overloaded,
            ProblemCode::BrokerUnavailable,
            ProblemCode::Unconfirmed,
        ];
        add_problems(&mut responses, &codes);
        responses
    }
}

/// What asking for a job can meet besides.
pub(crate) struct PollProblems;

impl IntoResponses for PollProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = BTreeMap::new();
        let codes = [
            ProblemCode::Unauthorized,
            ProblemCode::NotFound,
            ProblemCode::NoResult,
            ProblemCode::Gone,
            ProblemCode::InvalidRequest,
            ProblemCode::StoreUnavailable,
        ];
        add_problems(&mut responses, &codes);
        responses
    }
}

/// Adds each code to the answer of its status.
fn add_problems(responses: &mut BTreeMap<String, RefOr<Response>>, codes: &[ProblemCode]) {
    for code in codes {
        let response = responses
            .entry(code.status().as_str().to_owned())
            .or_insert_with(|| RefOr::T(Response::default()));
        let RefOr::T(response) = response else { continue };
        if !response.description.is_empty() {
            response.description.push('\n');
        }
        // Writing to a String does not fail.
        let _ = write!(response.description, "- `{}`: {}", code.as_str(), code.detail());
        let content = Content::new(Some(Ref::from_schema_name(ProblemBody::name())));
        response.content.insert(problem::MEDIA_TYPE.to_owned(), RefOr::T(content));
        if code.retry_after().is_some() {
            let header = header(Type::Integer, "Seconds after which it makes sense to try again");
            response.headers.insert("Retry-After".to_owned(), header);
        }
        if *code == ProblemCode::Unauthorized {
            let header = header(Type::String, "`Bearer`");
            response.headers.insert("WWW-Authenticate".to_owned(), header);
        }
    }
}

/// A parameter that may be left out cannot be null: HTTP has no such thing.
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

fn header(kind: Type, description: &str) -> RefOr<Header> {
    let mut header = Header::new(ObjectBuilder::new().schema_type(kind).build());
    header.description = Some(description.to_owned());
    RefOr::T(header)
}

// Only described here: it is read by `submission`, which reports everything that is wrong
// with it at once.
/// What to do: `code` alone logs in; with `encrypted_data` and `iv` it decrypts as well.
#[expect(dead_code, reason = "a description: never made, never read")]
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Submission)]
pub(crate) struct SubmitBody {
    /// The mini-program. May be left out when the client owns exactly one.
    #[schema(required = false, example = "wx4f4bc4dec97d474b")]
    app_id: String,
    /// What `wx.login` gave.
    #[schema(min_length = 1, max_length = 512, pattern = "^[!-~]+$")]
    code: String,
    /// The ciphertext that the phone button gave, base64, together with `iv`. Damage that
    /// transports are known to do (`+` turned into a blank, URL-safe alphabet, …) is undone.
    #[schema(required = false)]
    encrypted_data: String,
    /// Another name of `encrypted_data`; only one of them.
    #[serde(rename = "encryptedData")]
    #[schema(required = false)]
    encrypted_data_alias: String,
    /// The vector that came with the ciphertext: base64 of 16 bytes.
    #[schema(required = false)]
    iv: String,
    /// What the ciphertext should hold. `open_data` needs one.
    #[schema(required = false, default = "phone")]
    expect: Expect,
    /// After this the job is worthless to the caller and does not reach the platform.
    #[schema(required = false, minimum = 1, maximum = 290, default = 240)]
    deadline_seconds: u16,
    /// Given back to the letter. At most 2 KiB of JSON text.
    #[schema(value_type = Object, required = false)]
    metadata: serde_json::Value,
}

/// What a ciphertext should hold.
#[derive(serde::Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Expect {
    /// A phone number; anything else is refused.
    Phone,
    /// Whatever object was encrypted.
    OpenData,
}

/// What a failure's code can be.
pub(crate) struct FailureName;

impl PartialSchema for FailureName {
    fn schema() -> RefOr<Schema> {
        names(FailureCode::ALL.iter().map(|code| code.as_str()))
    }
}

impl ToSchema for FailureName {
    fn name() -> Cow<'static, str> {
        "FailureCode".into()
    }
}

/// What a failure's advice can be.
pub(crate) struct AdviceName;

impl PartialSchema for AdviceName {
    fn schema() -> RefOr<Schema> {
        let mut all = Vec::new();
        for shape in [Shape::LoginAlone, Shape::WithCiphertext] {
            for code in FailureCode::ALL {
                let advice = code.advice(shape).as_str();
                if !all.contains(&advice) {
                    all.push(advice);
                }
            }
        }
        names(all)
    }
}

impl ToSchema for AdviceName {
    fn name() -> Cow<'static, str> {
        "Advice".into()
    }
}

fn names(names: impl IntoIterator<Item = &'static str>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
}

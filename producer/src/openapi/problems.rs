//! Which problems each request can meet, as answers of the API's description.

use std::{collections::BTreeMap, fmt::Write};

use utoipa::{
    IntoResponses, ToSchema,
    openapi::{Content, Header, ObjectBuilder, Ref, RefOr, Response, Type},
};

use crate::http::problem::{self, ProblemBody, ProblemCode};

type Responses = BTreeMap<String, RefOr<Response>>;

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident: $($code:ident),+;)*) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl IntoResponses for $name {
                fn responses() -> Responses {
                    let mut responses = Responses::new();
                    add_problems(&mut responses, &[$(ProblemCode::$code),+]);
                    responses
                }
            }
        )*
    };
}

problems! {
    /// What a submission can meet besides.
    SubmitProblems:
        MalformedJson, IncompleteBody, Unauthorized, NotFound, RequestTimeout, Gone, BodyTooLarge,
        UnsupportedMediaType, InvalidRequest, RateLimited, Overloaded, WouldExpire,
        BrokerUnavailable, Unconfirmed;
    /// What asking for a job can meet besides.
    PollProblems:
        Unauthorized, NotFound, NoResult, Gone, InvalidRequest, StoreUnavailable;
    /// What asking for a session can meet besides.
    SessionProblems: Unauthorized, NotFound, StoreUnavailable;
    /// What erasing a job can meet besides.
    EraseJobProblems: Unauthorized, NotFound, InvalidRequest, RateLimited, StoreUnavailable;
    /// What erasing a person can meet besides.
    EraseProblems:
        MalformedJson, IncompleteBody, Unauthorized, NotFound, RequestTimeout, BodyTooLarge,
        UnsupportedMediaType, InvalidRequest, RateLimited, StoreUnavailable;
}

/// Adds each code to the answer of its status.
pub(super) fn add_problems(responses: &mut Responses, codes: &[ProblemCode]) {
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

/// A header of an answer.
pub(super) fn header(kind: Type, description: &str) -> RefOr<Header> {
    let mut header = Header::new(ObjectBuilder::new().schema_type(kind).build());
    header.description = Some(description.to_owned());
    RefOr::T(header)
}

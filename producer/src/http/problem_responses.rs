//! Problems as responses in the API's description. Each handler lists those that it can
//! answer with.

use std::{collections::BTreeMap, fmt::Write};

use utoipa::{
    ToSchema,
    openapi::{Content, Header, ObjectBuilder, Ref, RefOr, Response, Type},
};

use crate::http::problem::{self, ProblemBody, ProblemCode};

/// Responses of an operation, by status.
pub(crate) type Responses = BTreeMap<String, RefOr<Response>>;

/// Declares a type that describes the listed problems as responses.
macro_rules! problem_responses {
    ($(#[$doc:meta])* $name:ident: $($code:ident),+ $(,)?) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl utoipa::IntoResponses for $name {
            /// Returns one response for each status of the problems.
            fn responses() -> $crate::http::problem_responses::Responses {
                use $crate::http::{problem::ProblemCode, problem_responses::{Responses, add_problems}};
                let mut responses = Responses::new();
                add_problems(&mut responses, &[$(ProblemCode::$code),+]);
                responses
            }
        }
    };
}
pub(crate) use problem_responses;

/// Adds each code to the response of its status.
pub(crate) fn add_problems(responses: &mut Responses, codes: &[ProblemCode]) {
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

/// Returns the description of a response's header.
pub(crate) fn header(kind: Type, description: &str) -> RefOr<Header> {
    let mut header = Header::new(ObjectBuilder::new().schema_type(kind).build());
    header.description = Some(description.to_owned());
    RefOr::T(header)
}

//! The closed lists in a job, for the API's description.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::domain::failure::{Advice, FailureCode};

/// The codes of a failure.
#[derive(Debug)]
pub struct FailureName;

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

/// The advice of a failure.
#[derive(Debug)]
pub struct AdviceName;

impl PartialSchema for AdviceName {
    fn schema() -> RefOr<Schema> {
        names(Advice::ALL.iter().map(|advice| advice.as_str()))
    }
}

impl ToSchema for AdviceName {
    fn name() -> Cow<'static, str> {
        "Advice".into()
    }
}

/// Returns the schema of a text that is one of `names`.
pub(super) fn names(names: impl IntoIterator<Item = &'static str>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
}

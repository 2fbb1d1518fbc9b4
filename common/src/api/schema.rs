//! The closed lists in a job, for the API's description.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::domain::{failure::FailureCode, job::Shape};

/// What a failure's code can be.
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

/// What a failure's advice can be.
#[derive(Debug)]
pub struct AdviceName;

impl PartialSchema for AdviceName {
    fn schema() -> RefOr<Schema> {
        let mut all = Vec::new();
        for shape in [Shape::LoginAlone, Shape::WithCiphertext, Shape::PhoneCode] {
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

pub(super) fn names(names: impl IntoIterator<Item = &'static str>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
}

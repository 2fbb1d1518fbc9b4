//! The result of a job, as clients see it.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::timestamp::Timestamp;
use crate::domain::{
    outcome::{Opened, Success},
    phone::Phone,
};

/// The result of a job.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Result)]
pub enum ResultObject {
    /// A login alone, or with a phone number.
    Phone(PhoneResult),
    /// `expect` was `open_data`.
    OpenData(OpenDataResult),
}

/// The result of a login alone, or with a phone number.
#[derive(Serialize, ToSchema)]
pub struct PhoneResult {
    /// The number; null for a login alone.
    #[schema(required = true)]
    phone: Option<PhoneObject>,
    #[serde(flatten)]
    guest: Guest,
}

/// The result of a login with any object.
#[derive(Serialize, ToSchema)]
pub struct OpenDataResult {
    /// The object that was encrypted, byte for byte.
    #[schema(value_type = Object)]
    open_data: Box<RawValue>,
    #[serde(flatten)]
    guest: Guest,
}

/// The guest that a result is about.
#[derive(Serialize, ToSchema)]
pub struct Guest {
    /// The platform's id of the guest within the app.
    #[schema(required = true)]
    openid: Option<String>,
    /// The guest's id across the apps of one owner.
    #[schema(required = true)]
    unionid: Option<String>,
    /// The handle of the guest's session: `session` of later jobs. Null after a bare phone
    /// code, for which there is none.
    #[schema(required = true)]
    session: Option<String>,
    /// When the platform made the payload, by its watermark.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    watermark_at: Option<Timestamp>,
}

/// A phone number that the platform vouched for.
#[derive(Serialize, ToSchema)]
#[schema(as = Phone)]
pub struct PhoneObject {
    /// `+`, country code, number.
    #[schema(example = "+8613580006666")]
    e164: String,
    /// As the platform gave it.
    #[schema(example = "13580006666")]
    phone_number: String,
    /// As the platform gave it, without country code.
    #[schema(example = "13580006666")]
    pure_phone_number: String,
    /// Digits.
    #[schema(example = "86")]
    country_code: String,
}

impl ResultObject {
    /// Creates the result of `success`, with the handle of the guest's session if there is one.
    pub(super) fn new(success: Success, session: Option<String>) -> Self {
        let guest = Guest {
            openid: success.openid,
            unionid: success.unionid,
            session,
            watermark_at: success.watermark_at.map(Timestamp),
        };
        match success.opened {
            Opened::Nothing => Self::Phone(PhoneResult { phone: None, guest }),
            Opened::Phone(phone) => {
                Self::Phone(PhoneResult { phone: Some(PhoneObject::new(&phone)), guest })
            }
            Opened::OpenData(open_data) => Self::OpenData(OpenDataResult { open_data, guest }),
        }
    }
}

impl PhoneObject {
    fn new(phone: &Phone) -> Self {
        Self {
            e164: phone.e164.clone(),
            phone_number: phone.phone_number.clone(),
            pure_phone_number: phone.pure_phone_number.clone(),
            country_code: phone.country_code.clone(),
        }
    }
}

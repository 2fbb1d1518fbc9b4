//! Creates users and taps.

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde::Deserialize;

use super::{ControlResponse, check_app, json_response, read, refusal};
use crate::wechat::phone_payload::PhonePayload;
use crate::world::phone_tap::PhoneTapSpec;
use crate::world::platform::Platform;
use crate::world::user::UserSpec;

/// The body of `POST /simulator/taps`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PhoneTapBody {
    /// The app with the phone button.
    app_id: String,
    /// The user's openid. By default a new one.
    openid: Option<String>,
    /// The number without country code. By default a mainland number that no other user has.
    phone: Option<String>,
    /// The country code of `phone`. 86 by default.
    country_code: Option<String>,
}

/// Handles `POST /simulator/guests`: 200 with a user.
pub(crate) async fn create_user(
    platform: &Platform,
    request: Request<Incoming>,
) -> ControlResponse {
    let spec: UserSpec = match read(request).await {
        Ok(spec) => spec,
        Err(response) => return response,
    };
    let checked = check_app(platform, &spec.app_id)
        .and_then(|()| check_phone(spec.phone.as_deref()))
        .and_then(|()| check_openid(spec.openid.as_deref()));
    if let Err(reason) = checked {
        return refusal(StatusCode::BAD_REQUEST, reason);
    }
    match platform.user(spec) {
        Ok(user) => json_response(&user),
        Err(error) => refusal(StatusCode::CONFLICT, &error.to_string()),
    }
}

/// Handles `POST /simulator/taps`: 200 with a phone code and the user who tapped.
pub(crate) async fn create_phone_tap(
    platform: &Platform,
    request: Request<Incoming>,
) -> ControlResponse {
    let body: PhoneTapBody = match read(request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let checked = check_app(platform, &body.app_id)
        .and_then(|()| check_phone(body.phone.as_deref()))
        .and_then(|()| check_openid(body.openid.as_deref()))
        .and_then(|()| check_country(&body));
    if let Err(reason) = checked {
        return refusal(StatusCode::BAD_REQUEST, reason);
    }
    let payload = body.phone.map(|phone| match body.country_code.as_deref() {
        None | Some("86") => PhonePayload::mainland(&body.app_id, &phone),
        Some(country) => PhonePayload::foreign(&body.app_id, country, &phone),
    });
    let spec = PhoneTapSpec { app_id: body.app_id, openid: body.openid, payload, life: None };
    json_response(&platform.phone_tap(spec))
}

/// Checks a phone number. Fails with the reason for a 400.
fn check_phone(phone: Option<&str>) -> Result<(), &'static str> {
    if phone.is_some_and(|phone| !is_digits(phone, 15)) {
        return Err("phone must be 1 to 15 digits, without country code");
    }
    Ok(())
}

/// Checks an openid. Fails with the reason for a 400.
fn check_openid(openid: Option<&str>) -> Result<(), &'static str> {
    if openid.is_some_and(|openid| openid.is_empty() || openid.len() > 128) {
        return Err("openid must be 1 to 128 bytes");
    }
    Ok(())
}

/// Checks the country code of a phone number. Fails with the reason for a 400.
fn check_country(body: &PhoneTapBody) -> Result<(), &'static str> {
    match &body.country_code {
        Some(_) if body.phone.is_none() => Err("country_code needs a phone"),
        Some(country) if !is_digits(country, 4) => Err("country_code must be 1 to 4 digits"),
        _ => Ok(()),
    }
}

/// Returns whether the text is one digit to `digits_max`.
fn is_digits(text: &str, digits_max: usize) -> bool {
    (1..=digits_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

//! People who come: guests and taps.

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde::Deserialize;

use super::{Control, check_app, read, refuse, reply};
use crate::{guest::GuestSpec, payload::PhonePayload, platform::Platform, tap::TapSpec};

/// What `POST /simulator/taps` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TapBody {
    /// The app in which the user taps.
    app_id: String,
    /// Who taps; by default a user who was never here.
    openid: Option<String>,
    /// The number without country code; by default a mainland number that nobody else has.
    phone: Option<String>,
    /// The country code of `phone`; 86 by default.
    country_code: Option<String>,
}

/// `POST /simulator/guests`: 200 with a guest.
pub(crate) async fn guests(platform: &Platform, request: Request<Incoming>) -> Control {
    let spec: GuestSpec = match read(request).await {
        Ok(spec) => spec,
        Err(refusal) => return refusal,
    };
    let checked = check_app(platform, &spec.app_id)
        .and_then(|()| check_phone(spec.phone.as_deref()))
        .and_then(|()| check_openid(spec.openid.as_deref()));
    if let Err(reason) = checked {
        return refuse(StatusCode::BAD_REQUEST, reason);
    }
    match platform.guest(spec) {
        Ok(guest) => reply(&guest),
        Err(error) => refuse(StatusCode::CONFLICT, &error.to_string()),
    }
}

/// `POST /simulator/taps`: 200 with a phone code and whose it is.
pub(crate) async fn taps(platform: &Platform, request: Request<Incoming>) -> Control {
    let body: TapBody = match read(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let checked = check_app(platform, &body.app_id)
        .and_then(|()| check_phone(body.phone.as_deref()))
        .and_then(|()| check_openid(body.openid.as_deref()))
        .and_then(|()| check_country(&body));
    if let Err(reason) = checked {
        return refuse(StatusCode::BAD_REQUEST, reason);
    }
    let payload = body.phone.map(|phone| match body.country_code.as_deref() {
        None | Some("86") => PhonePayload::mainland(&body.app_id, &phone),
        Some(country) => PhonePayload::foreign(&body.app_id, country, &phone),
    });
    let spec = TapSpec { app_id: body.app_id, openid: body.openid, payload, life: None };
    reply(&platform.tap(spec))
}

fn check_phone(phone: Option<&str>) -> Result<(), &'static str> {
    if phone.is_some_and(|phone| !is_digits(phone, 15)) {
        return Err("phone must be 1 to 15 digits, without country code");
    }
    Ok(())
}

fn check_openid(openid: Option<&str>) -> Result<(), &'static str> {
    if openid.is_some_and(|openid| openid.is_empty() || openid.len() > 128) {
        return Err("openid must be 1 to 128 bytes");
    }
    Ok(())
}

fn check_country(body: &TapBody) -> Result<(), &'static str> {
    match &body.country_code {
        Some(_) if body.phone.is_none() => Err("country_code needs a phone"),
        Some(country) if !is_digits(country, 4) => Err("country_code must be 1 to 4 digits"),
        _ => Ok(()),
    }
}

fn is_digits(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

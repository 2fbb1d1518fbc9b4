//! A guest at the restaurant: logs in, then taps the phone button.

use serde::{Deserialize, Serialize};

/// Who comes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestSpec {
    /// The app in which the guest logs in and taps.
    pub app_id: String,
    /// The mainland phone number; by default one that no other guest of this simulator has.
    #[serde(default)]
    pub phone: Option<String>,
    /// The openid; by default a user who was never here.
    #[serde(default)]
    pub openid: Option<String>,
}

impl GuestSpec {
    /// Anybody.
    pub fn new(app_id: &str) -> Self {
        Self { app_id: app_id.to_owned(), phone: None, openid: None }
    }
}

/// Everything about one guest who logged in and tapped once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Guest {
    /// The app.
    pub app_id: String,
    /// The guest in this app.
    pub openid: String,
    /// The guest across apps.
    pub unionid: String,
    /// The phone number in the encrypted data: mainland, without country code.
    pub phone: String,
    /// The login code.
    pub code: String,
    /// The phone object, encrypted under the session key that the code yields.
    pub encrypted_data: String,
    /// Its iv.
    pub iv: String,
    /// The phone code of the same tap: redeems to the same number.
    pub phone_code: String,
    /// The session key; left out of JSON, since a mini-program never sees it.
    #[serde(skip)]
    pub session_key: String,
}

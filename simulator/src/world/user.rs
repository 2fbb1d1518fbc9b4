//! Users that log in and tap the phone button.

use serde::{Deserialize, Serialize};

/// A user to be created, who logs in and taps the phone button.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSpec {
    /// The app in which the user logs in and taps.
    pub app_id: String,
    /// The mainland phone number. By default one that no other user of this simulator has.
    #[serde(default)]
    pub phone: Option<String>,
    /// The openid. By default a new one.
    #[serde(default)]
    pub openid: Option<String>,
}

impl UserSpec {
    /// Creates the specification of a new user with a new number.
    pub fn new(app_id: &str) -> Self {
        Self { app_id: app_id.to_owned(), phone: None, openid: None }
    }
}

/// A user who logged in and tapped the phone button once, with all that came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// The app.
    pub app_id: String,
    /// The user's openid in this app.
    pub openid: String,
    /// The user's unionid across apps.
    pub unionid: String,
    /// The phone number in the encrypted data: mainland, without country code.
    pub phone: String,
    /// The login code.
    pub code: String,
    /// The phone object, encrypted under the session key that the code yields.
    pub encrypted_data: String,
    /// The initialisation vector of the encrypted data.
    pub iv: String,
    /// The phone code of the same tap. It yields the same number.
    pub phone_code: String,
    /// The session key. Left out of JSON, since a mini-program never sees it.
    #[serde(skip)]
    pub session_key: String,
}

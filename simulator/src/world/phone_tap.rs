//! Users that tap the phone button, for which the mini-program gets a phone code.

use std::time::Duration;

use serde::Serialize;

use crate::wechat::phone_payload::PhonePayload;

/// A tap to be created: who taps where, and what the phone code yields.
#[derive(Clone, Debug)]
pub struct PhoneTapSpec {
    /// The app with the phone button.
    pub app_id: String,
    /// The user's openid. `None` creates a new user.
    pub openid: Option<String>,
    /// The phone number that the code yields. `None` is a mainland number that no other user of
    /// this simulator has.
    pub payload: Option<PhonePayload>,
    /// The code's life. `None` is [`Options::code_life`](crate::Options::code_life).
    pub life: Option<Duration>,
}

impl PhoneTapSpec {
    /// Creates the tap of a new user with a new number.
    pub fn new(app_id: &str) -> Self {
        Self { app_id: app_id.to_owned(), openid: None, payload: None, life: None }
    }

    /// Sets the user who taps.
    #[must_use]
    pub fn openid(mut self, openid: &str) -> Self {
        self.openid = Some(openid.to_owned());
        self
    }

    /// Makes the code yield this mainland number, tapped now.
    #[must_use]
    pub fn phone(mut self, number: &str) -> Self {
        self.payload = Some(PhonePayload::mainland(&self.app_id, number));
        self
    }

    /// Makes the code yield this number, which may be foreign, malformed, or with the watermark of
    /// another app.
    #[must_use]
    pub fn payload(mut self, payload: PhonePayload) -> Self {
        self.payload = Some(payload);
        self
    }

    /// Sets the code's life.
    #[must_use]
    pub fn life(mut self, life: Duration) -> Self {
        self.life = Some(life);
        self
    }
}

/// A tap on the phone button, with what the mini-program and WeChat know about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PhoneTap {
    /// The app.
    pub app_id: String,
    /// The user's openid in this app.
    pub openid: String,
    /// `purePhoneNumber`: the phone number without country code.
    pub phone: String,
    /// The phone code (`e.detail.code`): 64 hex digits, valid for one redemption.
    pub phone_code: String,
}

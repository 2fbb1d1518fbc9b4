//! A user taps the phone button and the mini-program gets a phone code.

use std::time::Duration;

use serde::Serialize;

use crate::payload::PhonePayload;

/// What a phone code stands for.
#[derive(Clone, Debug)]
pub struct TapSpec {
    /// The app in which the user taps.
    pub app_id: String,
    /// Who taps; `None` is a user who was never here.
    pub openid: Option<String>,
    /// What the code yields; `None` is a mainland number that no other guest of this simulator has.
    pub payload: Option<PhonePayload>,
    /// The code's life; `None` takes [`Options::code_life`](crate::Options::code_life).
    pub life: Option<Duration>,
}

impl TapSpec {
    /// A new user with a new number.
    pub fn new(app_id: &str) -> Self {
        Self { app_id: app_id.to_owned(), openid: None, payload: None, life: None }
    }

    /// This user taps.
    #[must_use]
    pub fn openid(mut self, openid: &str) -> Self {
        self.openid = Some(openid.to_owned());
        self
    }

    /// The code yields this mainland number, tapped now.
    #[must_use]
    pub fn phone(mut self, number: &str) -> Self {
        self.payload = Some(PhonePayload::mainland(&self.app_id, number));
        self
    }

    /// The code yields exactly this, be it foreign, bent, or with the watermark of another app.
    #[must_use]
    pub fn payload(mut self, payload: PhonePayload) -> Self {
        self.payload = Some(payload);
        self
    }

    /// The code lives this long.
    #[must_use]
    pub fn life(mut self, life: Duration) -> Self {
        self.life = Some(life);
        self
    }
}

/// A tap as both sides of WeChat know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tap {
    /// The app.
    pub app_id: String,
    /// Who tapped, in this app.
    pub openid: String,
    /// `purePhoneNumber`: without country code.
    pub phone: String,
    /// The phone code (`e.detail.code`): 64 hex digits, for one redemption.
    pub phone_code: String,
}

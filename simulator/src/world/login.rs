//! Users that log in: `wx.login`.

use std::time::Duration;

/// A login to be created: who logs in where, and what the code yields.
#[derive(Clone, Debug)]
pub struct LoginSpec {
    /// The app in which the user logs in.
    pub app_id: String,
    /// The user's openid. `None` creates a new user.
    pub openid: Option<String>,
    /// The unionid in the answer. `None` is an app without an Open Platform account.
    pub unionid: Option<String>,
    /// The session key that the code yields.
    pub session_key: KeyChoice,
    /// The code's life. `None` is [`Options::code_life`](crate::Options::code_life).
    pub life: Option<Duration>,
}

/// The session key that a login yields. It is fixed when the code is minted.
///
/// `wx.login` *may* replace the key (there is an undisclosed minimum refresh period). Data that
/// were encrypted before then do not match the key that the new code yields. Source: `wx.login` and
/// `/miniprogram/dev/framework/open-ability/signature.html`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeyChoice {
    /// The user's current key.
    #[default]
    Current,
    /// A new key, which becomes the user's current one.
    Rotate,
    /// This key, which becomes the user's current one.
    Given(String),
}

impl LoginSpec {
    /// Creates the login of a new user without unionid, with the current key.
    pub fn new(app_id: &str) -> Self {
        Self {
            app_id: app_id.to_owned(),
            openid: None,
            unionid: None,
            session_key: KeyChoice::Current,
            life: None,
        }
    }

    /// Sets the user who logs in.
    #[must_use]
    pub fn openid(mut self, openid: &str) -> Self {
        self.openid = Some(openid.to_owned());
        self
    }

    /// Sets the unionid in the answer.
    #[must_use]
    pub fn unionid(mut self, unionid: &str) -> Self {
        self.unionid = Some(unionid.to_owned());
        self
    }

    /// Makes the code yield a new session key.
    #[must_use]
    pub fn rotate(mut self) -> Self {
        self.session_key = KeyChoice::Rotate;
        self
    }

    /// Makes the code yield this session key, for published samples and for malformed keys.
    #[must_use]
    pub fn session_key(mut self, key: &str) -> Self {
        self.session_key = KeyChoice::Given(key.to_owned());
        self
    }

    /// Sets the code's life.
    #[must_use]
    pub fn life(mut self, life: Duration) -> Self {
        self.life = Some(life);
        self
    }
}

/// A login, with what the mini-program and WeChat know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The code that the mini-program gets: 32 characters, valid for one exchange.
    pub code: String,
    /// The user's openid in this app.
    pub openid: String,
    /// The user's unionid across apps.
    pub unionid: Option<String>,
    /// The session key that the code yields. After this login, phone numbers are encrypted under
    /// it.
    pub session_key: String,
}

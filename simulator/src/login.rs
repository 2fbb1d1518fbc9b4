//! A user calls `wx.login`.

use std::time::Duration;

/// What a login code stands for.
#[derive(Clone, Debug)]
pub struct LoginSpec {
    /// The app in which the user logs in.
    pub app_id: String,
    /// Who logs in; `None` is a user who was never here.
    pub openid: Option<String>,
    /// The unionid in the answer; `None` is an app without an Open Platform account.
    pub unionid: Option<String>,
    /// Which session key the code yields.
    pub session_key: KeyChoice,
    /// The code's life; `None` takes [`Options::code_life`](crate::Options::code_life).
    pub life: Option<Duration>,
}

/// Which session key a login yields. It is fixed when the code is minted.
///
/// `wx.login` *may* replace the key (there is an undisclosed minimum refresh period), and data tapped before
/// then no longer match the key that the new code yields. Source: `wx.login` and
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
    /// A new user without unionid, with his current key.
    pub fn new(app_id: &str) -> Self {
        Self {
            app_id: app_id.to_owned(),
            openid: None,
            unionid: None,
            session_key: KeyChoice::Current,
            life: None,
        }
    }

    /// This user logs in.
    #[must_use]
    pub fn openid(mut self, openid: &str) -> Self {
        self.openid = Some(openid.to_owned());
        self
    }

    /// The answer carries this unionid.
    #[must_use]
    pub fn unionid(mut self, unionid: &str) -> Self {
        self.unionid = Some(unionid.to_owned());
        self
    }

    /// The code yields a new session key.
    #[must_use]
    pub fn rotate(mut self) -> Self {
        self.session_key = KeyChoice::Rotate;
        self
    }

    /// The code yields this session key, for published samples and for malformed keys.
    #[must_use]
    pub fn session_key(mut self, key: &str) -> Self {
        self.session_key = KeyChoice::Given(key.to_owned());
        self
    }

    /// The code lives this long.
    #[must_use]
    pub fn life(mut self, life: Duration) -> Self {
        self.life = Some(life);
        self
    }
}

/// A login as both sides of WeChat know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The code that the mini-program gets: 32 characters, for one use.
    pub code: String,
    /// The user in this app.
    pub openid: String,
    /// The user across apps.
    pub unionid: Option<String>,
    /// The key that the code yields, and under which a tap after this login is encrypted.
    pub session_key: String,
}

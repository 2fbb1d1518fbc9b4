//! An app: a mini-program that jobs are submitted for.

use std::{fmt, path::PathBuf, sync::Arc};

use secrecy::SecretString;

use crate::domain::{
    callback_target::{AllowRule, CallbackBody, CallbackUrl},
    client::ClientName,
    name::name,
};

name! {
    /// The platform's id of a mini-program (on WeChat the appid).
    AppId
}

/// A mini-program.
#[derive(Debug, Clone)]
pub struct App {
    /// The platform's id of it.
    pub id: AppId,
    /// The client that owns it.
    pub client: ClientName,
    /// The platform that it runs on, by the name that the worker's registry knows.
    pub platform: String,
    /// What authenticates its calls of the platform.
    pub credential: Credential,
    /// Where its callbacks may go; no rule allows no callback.
    pub callback_allow: Vec<AllowRule>,
    /// How much of a job its callbacks contain.
    pub callback_body: CallbackBody,
}

impl App {
    /// Returns whether its callbacks may go to `url`.
    pub fn allows_callback(&self, url: &CallbackUrl) -> bool {
        self.callback_allow.iter().any(|rule| rule.allows(url))
    }
}

impl AsRef<AppId> for AppId {
    fn as_ref(&self) -> &AppId {
        self
    }
}

impl AsRef<AppId> for App {
    fn as_ref(&self) -> &AppId {
        &self.id
    }
}

impl AsRef<AppId> for Arc<App> {
    fn as_ref(&self) -> &AppId {
        &self.id
    }
}

/// What authenticates an app's calls of the platform.
#[derive(Debug, Clone)]
pub enum Credential {
    /// The app's own secret.
    Secret(SecretString),
    /// The token of the third-party platform that manages the app.
    ThirdPartyPlatform(Arc<ThirdPartyPlatform>),
}

/// A third-party platform: it manages apps without having their secrets, and authenticates
/// itself with a token that is issued outside quhao. WeChat calls it a component.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ThirdPartyPlatform {
    /// Its own appid.
    pub app_id: AppId,
    /// Where its current token is.
    pub token: ThirdPartyTokenSource,
}

/// Where the current token of a third-party platform is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum ThirdPartyTokenSource {
    /// In this file.
    File(PathBuf),
    /// In the output of this program, given with its arguments.
    Command(Vec<String>),
}

impl fmt::Debug for ThirdPartyTokenSource {
    // Without the arguments: somebody may put a password there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Command(_) => f.write_str("Command(..)"),
        }
    }
}

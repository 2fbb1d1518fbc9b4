//! Who may submit, and for which mini-program: clients, apps and the directory of both.

use std::{collections::HashMap, fmt, num::NonZeroU32, sync::Arc};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    crypto::webhook_signature::WebhookSecret,
    domain::callback_target::{AllowRule, CallbackBody, CallbackUrl},
};

mod component;

pub use component::{Component, ComponentToken};

/// Longest name of a client and longest appid, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// The text is empty, too long, or has a character outside visible ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to {NAME_BYTES_MAX} visible ASCII characters")]
pub struct NameError;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text`.
            pub fn new(text: &str) -> Result<Self, NameError> {
                let fits = !text.is_empty() && text.len() <= NAME_BYTES_MAX;
                if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError)
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// An ordering system that submits jobs: the owner of an API key and of apps.
    ClientName
}
name! {
    /// The platform's id of a mini-program (on WeChat the appid).
    AppId
}

/// An ordering system.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its name, part of every id that it gets.
    pub name: ClientName,
    /// SHA-256 of each API key that is accepted; several while a key is rotated.
    pub api_key_sha256: Vec<[u8; 32]>,
    /// Each signs the client's callbacks; several while a secret is rotated. Without one
    /// there are no callbacks.
    pub webhook_secrets: Vec<WebhookSecret>,
    /// How fast it may submit and erase; `None`: as fast as it likes.
    pub rate: Option<Rate>,
}

/// How fast a client may submit and erase at one producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second, in the long run.
    pub per_second: NonZeroU32,
    /// Requests at once, after a rest.
    pub burst: NonZeroU32,
}

/// What an app's calls to the platform prove themselves with.
#[derive(Debug, Clone)]
pub enum Credential {
    /// The app's own secret.
    Secret(SecretString),
    /// The token of the third-party platform that looks after the app.
    Component(Arc<Component>),
}

/// A mini-program.
#[derive(Debug, Clone)]
pub struct App {
    /// The platform's id of it.
    pub id: AppId,
    /// Who owns it.
    pub client: ClientName,
    /// Which platform it lives on: the name that the worker's registry knows.
    pub platform: String,
    /// What its calls prove themselves with.
    pub credential: Credential,
    /// Where its callbacks may go; none allows none.
    pub callback_allow: Vec<AllowRule>,
    /// How much its callbacks tell.
    pub callback_body: CallbackBody,
}

impl App {
    /// Whether its callbacks may go to `url`.
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

/// All clients and apps of a configuration, with the look-ups that a request needs.
#[derive(Debug, Default)]
pub struct Directory {
    clients_by_key: HashMap<[u8; 32], Arc<Client>>,
    clients: HashMap<ClientName, Arc<Client>>,
    apps: HashMap<AppId, Arc<App>>,
    apps_by_client: HashMap<ClientName, Vec<Arc<App>>>,
}

impl Directory {
    /// A directory of `clients` and `apps`, which the configuration has checked: names
    /// and appids are unique, each app's client exists.
    pub fn new(clients: Vec<Client>, apps: Vec<App>) -> Self {
        let mut directory = Self::default();
        for client in clients.into_iter().map(Arc::new) {
            for digest in &client.api_key_sha256 {
                directory.clients_by_key.insert(*digest, Arc::clone(&client));
            }
            directory.clients.insert(client.name.clone(), client);
        }
        for app in apps.into_iter().map(Arc::new) {
            directory.apps_by_client.entry(app.client.clone()).or_default().push(Arc::clone(&app));
            directory.apps.insert(app.id.clone(), app);
        }
        directory
    }

    /// The client that `api_key` belongs to. What is compared are SHA-256 digests of
    /// high-entropy keys, so the time that a look-up takes tells nothing about a key.
    pub fn client_of_key(&self, api_key: &str) -> Option<&Arc<Client>> {
        let digest: [u8; 32] = Sha256::digest(api_key.as_bytes()).into();
        self.clients_by_key.get(&digest)
    }

    /// The client called `name`.
    pub fn client(&self, name: &ClientName) -> Option<&Arc<Client>> {
        self.clients.get(name)
    }

    /// Every client.
    pub fn clients(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.clients.values()
    }

    /// The app called `id`, if `client` owns it.
    pub fn app_of(&self, client: &ClientName, id: &AppId) -> Option<&Arc<App>> {
        self.apps.get(id).filter(|app| app.client == *client)
    }

    /// The app called `id`, whoever owns it.
    pub fn app(&self, id: &AppId) -> Option<&Arc<App>> {
        self.apps.get(id)
    }

    /// The apps of `client`.
    pub fn apps_of(&self, client: &ClientName) -> &[Arc<App>] {
        self.apps_by_client.get(client).map_or(&[], Vec::as_slice)
    }

    /// Every app.
    pub fn apps(&self) -> impl Iterator<Item = &Arc<App>> {
        self.apps.values()
    }
}

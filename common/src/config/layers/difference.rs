//! What differs between two readings of the configuration, without a value of either.

use secrecy::{ExposeSecret, SecretString};

use crate::config::{Config, QueueUrl, StoreUrl};

impl Config {
    /// The sections in which `other` says something else that a running process does not
    /// take over: it needs a restart for them. Left out are clients, apps, who looks after
    /// these, and numbered secrets; and the addresses of servers, which new connections use.
    pub fn sections_that_need_a_restart(&self, other: &Self) -> Vec<&'static str> {
        let same = [
            ("drain_seconds", self.drain == other.drain),
            ("[http]", self.http == other.http),
            ("[queue]", self.queue.with_url_of(other) == other.queue),
            ("[store]", self.store.with_url_of(other) == other.store),
            ("[worker]", self.worker == other.worker),
            ("[platforms.wechat]", self.wechat == other.wechat),
            ("[callbacks]", self.callbacks == other.callbacks),
            ("[log]", self.log == other.log),
        ];
        same.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }
}

impl crate::config::Queue {
    /// The same with the other server's address; as it is where a file is meant.
    fn with_url_of(&self, other: &Config) -> Self {
        match (&self.url, &other.queue.url) {
            (QueueUrl::Amqp(_), url @ QueueUrl::Amqp(_)) => {
                Self { url: url.clone(), ..self.clone() }
            }
            _ => self.clone(),
        }
    }
}

impl crate::config::Store {
    /// The same with the other server's address; as it is where a file is meant.
    fn with_url_of(&self, other: &Config) -> Self {
        match (&self.url, &other.store.url) {
            (StoreUrl::Postgres(_), url @ StoreUrl::Postgres(_)) => {
                Self { url: url.clone(), ..self.clone() }
            }
            _ => self.clone(),
        }
    }
}

impl PartialEq for QueueUrl {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Amqp(one), Self::Amqp(other)) => same(one, other),
            (Self::Sqlite(one), Self::Sqlite(other)) => one == other,
            (Self::Amqp(_), Self::Sqlite(_)) | (Self::Sqlite(_), Self::Amqp(_)) => false,
        }
    }
}

impl PartialEq for StoreUrl {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Postgres(one), Self::Postgres(other)) => same(one, other),
            (Self::Sqlite(one), Self::Sqlite(other)) => one == other,
            (Self::Postgres(_), Self::Sqlite(_)) | (Self::Sqlite(_), Self::Postgres(_)) => false,
        }
    }
}

/// Both texts come from the operator: nobody can learn anything from how long this takes.
fn same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

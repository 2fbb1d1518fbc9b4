//! Changing a configuration under running processes.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::{
    client::Client,
    process::Process,
    wait::{PATIENCE, eventually},
    world::World,
};

/// The result of reading a configuration again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// The new configuration is in force.
    Applied,
    /// The old configuration stays in force.
    Refused,
}

/// Replaces the file at `path` atomically: a reader sees the old text or the new one.
pub fn put(path: &Path, text: &str) {
    let part = path.with_extension("part");
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder in our own folder");
    fs::write(&part, text).and_then(|()| fs::rename(&part, path)).expect("a file of our own");
}

/// Sends SIGHUP to every process of `world`, one after the other, and waits until each has
/// read its configuration again.
pub async fn reload(world: &World, reading: Reading) {
    for producer in &world.producers {
        reload_one(&producer.process, &producer.metrics, reading).await;
    }
    for worker in &world.workers {
        reload_one(&worker.process, &worker.metrics, reading).await;
    }
}

/// Sends SIGHUP to one process, whose metrics are at `metrics`, and waits until it has read its
/// configuration again.
pub async fn reload_one(process: &Process, metrics: &str, reading: Reading) {
    let before = readings(metrics, reading).await;
    process.signal("HUP");
    eventually(&format!("a configuration is {reading:?}"), PATIENCE, async || {
        (readings(metrics, reading).await > before).then_some(())
    })
    .await;
}

/// Returns how often that was the result at the process whose metrics are at `metrics`.
pub async fn readings(metrics: &str, reading: Reading) -> u64 {
    let result = match reading {
        Reading::Applied => "applied",
        Reading::Refused => "refused",
    };
    let series = format!("quhao_config_reloads_total{{result=\"{result}\"}}");
    Client::new(metrics, "").with_key(None).metric(&series).await
}

/// Creates a numbered secret, as `[secrets]` takes it.
pub fn numbered_secret(number: u8) -> String {
    format!("k{number}:{}", STANDARD.encode(rand::random::<[u8; 32]>()))
}

/// A client and its app, as a file in `config.d/` defines them.
#[derive(Debug, Clone)]
pub struct Merchant {
    /// The client's name.
    pub name: String,
    /// The app.
    pub app: String,
    /// The client's API key.
    pub api_key: String,
}

impl Merchant {
    /// Creates one whose name no other has.
    pub fn new(name: &str) -> Self {
        let api_key = format!("qh_{:032x}", rand::random::<u128>());
        Self { name: name.to_owned(), app: format!("wx_{name}"), api_key }
    }

    /// Returns its two blocks.
    pub fn toml(&self) -> String {
        format!("{}{}", self.client_toml(), self.app_toml())
    }

    /// Returns the client's block.
    pub fn client_toml(&self) -> String {
        let digest = HEXLOWER.encode(&Sha256::digest(self.api_key.as_bytes()));
        format!("[[clients]]\nname = '{}'\napi_key_sha256 = ['{digest}']\n", self.name)
    }

    /// Returns the app's block.
    pub fn app_toml(&self) -> String {
        format!("[[apps]]\nid = '{}'\nclient = '{}'\nsecret = 's3cret'\n", self.app, self.name)
    }
}

//! A client: an ordering system that submits jobs.

use std::num::NonZeroU32;

use crate::{crypto::webhook_signature::WebhookSecret, domain::name::name};

name! {
    /// The name of an ordering system, which owns API keys and apps.
    ClientName
}

/// An ordering system.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its name, part of every id that it gets.
    pub name: ClientName,
    /// SHA-256 of each accepted API key; several while a key is rotated.
    pub api_key_sha256: Vec<[u8; 32]>,
    /// Secrets that each sign the client's callbacks; several while one is rotated. A client
    /// without one gets no callbacks.
    pub webhook_secrets: Vec<WebhookSecret>,
    /// Limit of its submissions and erasures; `None`: no limit.
    pub rate: Option<Rate>,
}

/// The limit of a client's submissions and erasures at one producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second, in the long run.
    pub per_second: NonZeroU32,
    /// Requests at once, after a rest.
    pub burst: NonZeroU32,
}

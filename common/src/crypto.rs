//! Secrets with numbers, encryption of what is stored, and signatures.

pub mod keyring;
pub mod vault;
pub mod webhook_signature;

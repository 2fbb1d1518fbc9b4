//! Keys, sealed boxes and signatures.

pub mod keyring;
pub mod vault;
pub mod webhook_signature;

//! Values as the databases keep them.

use super::error::StoreError;
use quhao_common::{crypto::vault::KeyedHash, domain::id::JobKey};

/// Reads a job's key.
pub(super) fn job_key(bytes: Vec<u8>) -> Result<JobKey, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Form("a job key is not 16 bytes"))?;
    Ok(JobKey::from_bytes(bytes))
}

/// Reads a keyed hash.
pub(super) fn keyed_hash(bytes: Vec<u8>) -> Result<KeyedHash, StoreError> {
    bytes.try_into().map_err(|_| StoreError::Form("a keyed hash is not 16 bytes"))
}

//! Session keys at rest: sealed, and bound to their guest.

use quhao_backend::store::StoredKey;
use quhao_common::{
    crypto::vault::{AssociatedData, Sealed, Vault, VaultError},
    domain::{app::AppId, client::ClientName, finished::KeyFingerprint, phone::SessionKey},
};
use sha2::{Digest, Sha256};

/// Returns what differs between two session keys of a guest, and stays the same when the seal
/// keys are rotated.
pub(crate) fn fingerprint(
    client: &ClientName,
    app: &AppId,
    openid: &str,
    key: &SessionKey,
) -> KeyFingerprint {
    let hash = Sha256::new()
        .chain_update(b"quhao session key")
        .chain_update([0])
        .chain_update(app.as_str())
        .chain_update([0])
        .chain_update(row_key(client, openid))
        .chain_update([0])
        .chain_update(key.expose())
        .finalize();
    std::array::from_fn(|at| hash[at])
}

/// Seals `key` for the session of this guest.
pub(crate) fn seal(
    vault: &Vault,
    client: &ClientName,
    app: &AppId,
    openid: &str,
    key: &SessionKey,
) -> Sealed {
    vault.seal(associated_data(&row_key(client, openid), app), key.expose())
}

/// Opens what [`seal`] made for the same guest.
pub(crate) fn open(
    vault: &Vault,
    client: &ClientName,
    app: &AppId,
    openid: &str,
    stored: &StoredKey,
) -> Result<SessionKey, VaultError> {
    let row_key = row_key(client, openid);
    let bytes = vault.open(associated_data(&row_key, app), stored.key.as_bytes())?;
    let bytes = <[u8; 16]>::try_from(bytes.as_slice()).map_err(|_| VaultError::Damaged)?;
    Ok(SessionKey::new(bytes))
}

fn associated_data<'a>(key: &'a [u8], app: &'a AppId) -> AssociatedData<'a> {
    AssociatedData { table: "sessions", key, app: app.as_str() }
}

/// Returns the key of the guest's row. A client's name has no NUL, so no two pairs give the
/// same key.
fn row_key(client: &ClientName, openid: &str) -> Vec<u8> {
    [client.as_str().as_bytes(), openid.as_bytes()].join(&0)
}

#[cfg(test)]
mod tests;

//! Reading sessions.

use time::OffsetDateTime;

use super::PostgresStore;
use crate::store::{
    error::StoreError,
    stored::{StoredKey, StoredSession},
};
use quhao_common::{
    crypto::vault::{KeyedHash, Sealed},
    domain::{
        app::{AppId, ClientName},
        session_handle::HandleKey,
    },
};

macro_rules! select {
    ($condition:literal) => {
        concat!(
            "select openid, unionid, key, code_hash, exchanged_at, \
                    previous_key, previous_code_hash, previous_exchanged_at \
             from sessions where client = $1 and app = $2 and ",
            $condition,
            " and purge_at - now() > '0' order by exchanged_at desc limit 1"
        )
    };
}

const OF_GUEST: &str = select!("openid = $3");
const OF_HANDLE: &str = select!("handle = $3");
const OF_CODE: &str = select!("(code_hash = any($3) or previous_code_hash = any($3))");

type SessionRow = (
    String,
    Option<String>,
    Vec<u8>,
    Vec<u8>,
    OffsetDateTime,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<OffsetDateTime>,
);

impl PostgresStore {
    /// The session whose current or previous key came from a login code with one of
    /// these keyed hashes.
    pub async fn session_of_code(
        &self,
        client: &ClientName,
        app: &AppId,
        code_hashes: &[KeyedHash],
    ) -> Result<Option<StoredSession>, StoreError> {
        if code_hashes.is_empty() {
            return Ok(None);
        }
        let hashes = &code_hashes.iter().map(<[u8; 16]>::as_slice).collect::<Vec<_>>();
        let row = self.pool.run(|mut connection| async move {
            let query = sqlx::query_as(OF_CODE).bind(client.as_str()).bind(app.as_str());
            let row: Option<SessionRow> =
                query.bind(hashes).fetch_optional(&mut connection).await?;
            Ok((row, connection))
        });
        row.await?.map(stored).transpose()
    }

    /// The session of a guest.
    pub async fn session_of_guest(
        &self,
        client: &ClientName,
        app: &AppId,
        openid: &str,
    ) -> Result<Option<StoredSession>, StoreError> {
        let row = self.pool.run(|mut connection| async move {
            let query = sqlx::query_as(OF_GUEST).bind(client.as_str()).bind(app.as_str());
            let row: Option<SessionRow> =
                query.bind(openid).fetch_optional(&mut connection).await?;
            Ok((row, connection))
        });
        row.await?.map(stored).transpose()
    }

    /// The session that clients know by `handle`.
    pub async fn session_of_handle(
        &self,
        client: &ClientName,
        app: &AppId,
        handle: HandleKey,
    ) -> Result<Option<StoredSession>, StoreError> {
        let handle = &handle.as_bytes().to_vec();
        let row = self.pool.run(|mut connection| async move {
            let query = sqlx::query_as(OF_HANDLE).bind(client.as_str()).bind(app.as_str());
            let row: Option<SessionRow> =
                query.bind(handle).fetch_optional(&mut connection).await?;
            Ok((row, connection))
        });
        row.await?.map(stored).transpose()
    }
}

fn stored(row: SessionRow) -> Result<StoredSession, StoreError> {
    let (openid, unionid, key, code_hash, exchanged_at, old_key, old_code, old_at) = row;
    let mut keys = vec![stored_key(key, code_hash, exchanged_at)?];
    if let (Some(key), Some(code_hash), Some(at)) = (old_key, old_code, old_at) {
        keys.push(stored_key(key, code_hash, at)?);
    }
    Ok(StoredSession { openid, unionid, keys })
}

fn stored_key(
    key: Vec<u8>,
    code_hash: Vec<u8>,
    exchanged_at: OffsetDateTime,
) -> Result<StoredKey, StoreError> {
    let code_hash =
        code_hash.try_into().map_err(|_| StoreError::Form("sessions.code_hash is not 16 bytes"))?;
    Ok(StoredKey { key: Sealed::from_bytes(key), code_hash, exchanged_at })
}

//! Reads table `sessions`.

use sqlx::{FromRow, Row, SqliteConnection, sqlite::SqliteRow};

use super::{SqliteStore, encoding::now_ms};
use crate::store::{
    batch::GuestKey,
    error::StoreError,
    stored_session::{KeyRow, StoredKey, StoredSession},
};
use quhao_common::{
    crypto::vault::KeyedHash,
    domain::{app::AppId, client::ClientName, session_handle::HandleKey},
    envelope::unix_ms::from_unix_ms,
};

pub(super) const OF_GUEST: &str = "
SELECT openid, unionid, phone_hash, purge_at, key, key_hash, code_hash, exchanged_at,
       previous_key, previous_key_hash, previous_code_hash, previous_exchanged_at
  FROM sessions
 WHERE client = ?1 AND app = ?2 AND openid = ?3 AND purge_at > ?4";

pub(super) const OF_CODE: &str = "
SELECT openid, unionid, phone_hash, purge_at, key, key_hash, code_hash, exchanged_at,
       previous_key, previous_key_hash, previous_code_hash, previous_exchanged_at
  FROM sessions
 WHERE client = ?1 AND app = ?2 AND (code_hash = ?3 OR previous_code_hash = ?3)
   AND purge_at > ?4
 ORDER BY exchanged_at DESC LIMIT 1";

pub(super) const OF_HANDLE: &str = "
SELECT openid, unionid, phone_hash, purge_at, key, key_hash, code_hash, exchanged_at,
       previous_key, previous_key_hash, previous_code_hash, previous_exchanged_at
  FROM sessions
 WHERE client = ?1 AND app = ?2 AND handle = ?3 AND purge_at > ?4";

/// What is kept of a guest's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeptSession {
    pub(super) unionid: Option<String>,
    pub(super) phone_hash: Option<Vec<u8>>,
    pub(super) current: KeptKey,
    pub(super) previous: Option<KeptKey>,
    /// In milliseconds since 1970.
    pub(super) purge_at: i64,
}

/// A session key at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeptKey {
    pub(super) sealed: Vec<u8>,
    pub(super) hash: Vec<u8>,
    pub(super) code_hash: Vec<u8>,
    /// In milliseconds since 1970.
    pub(super) exchanged_at: i64,
}

/// A row of table `sessions`.
#[derive(Debug)]
pub(super) struct SessionRow {
    openid: String,
    pub(super) session: KeptSession,
}

impl FromRow<'_, SqliteRow> for SessionRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let current = KeptKey {
            sealed: row.try_get("key")?,
            hash: row.try_get("key_hash")?,
            code_hash: row.try_get("code_hash")?,
            exchanged_at: row.try_get("exchanged_at")?,
        };
        let previous = match row.try_get("previous_key")? {
            None => None,
            Some(sealed) => Some(KeptKey {
                sealed,
                hash: row.try_get("previous_key_hash")?,
                code_hash: row.try_get("previous_code_hash")?,
                exchanged_at: row.try_get("previous_exchanged_at")?,
            }),
        };
        let session = KeptSession {
            unionid: row.try_get("unionid")?,
            phone_hash: row.try_get("phone_hash")?,
            current,
            previous,
            purge_at: row.try_get("purge_at")?,
        };
        Ok(Self { openid: row.try_get("openid")?, session })
    }
}

impl SessionRow {
    fn into_session(self) -> Result<StoredSession, StoreError> {
        let keys = std::iter::once(self.session.current).chain(self.session.previous);
        Ok(StoredSession {
            openid: self.openid,
            unionid: self.session.unionid,
            keys: keys.map(KeptKey::into_key).collect::<Result<_, _>>()?,
        })
    }
}

impl KeptKey {
    fn into_key(self) -> Result<StoredKey, StoreError> {
        let exchanged_at = from_unix_ms(self.exchanged_at)
            .ok_or(StoreError::Form("a time outside the calendar"))?;
        KeyRow { key: self.sealed, code_hash: self.code_hash, exchanged_at }.into_key()
    }
}

impl SqliteStore {
    /// Returns the session whose current or previous key came from a login code with one of these
    /// keyed hashes.
    pub(crate) async fn session_of_code(
        &self,
        client: &ClientName,
        app: &AppId,
        code_hashes: &[KeyedHash],
    ) -> Result<Option<StoredSession>, StoreError> {
        let client = client.clone();
        let app = app.clone();
        let hashes = code_hashes.to_vec();
        let now = now_ms();
        let row = self.database.read(self.limit, move |connection| {
            Box::pin(async move { of_code(connection, &client, &app, hashes, now).await })
        });
        row.await?.map(SessionRow::into_session).transpose()
    }

    /// Returns the session of a guest.
    pub(crate) async fn session_of_guest(
        &self,
        client: &ClientName,
        app: &AppId,
        openid: &str,
    ) -> Result<Option<StoredSession>, StoreError> {
        let client = client.clone();
        let app = app.clone();
        let openid = openid.to_owned();
        let now = now_ms();
        let row = self.database.read(self.limit, move |connection| {
            Box::pin(async move {
                let guest = GuestKey { client: &client, app: &app, openid: &openid };
                of_guest(connection, guest, now).await
            })
        });
        row.await?.map(SessionRow::into_session).transpose()
    }

    /// Returns the session that clients know by `handle`.
    pub(crate) async fn session_of_handle(
        &self,
        client: &ClientName,
        app: &AppId,
        handle: HandleKey,
    ) -> Result<Option<StoredSession>, StoreError> {
        let client = client.clone();
        let app = app.clone();
        let now = now_ms();
        let row = self.database.read(self.limit, move |connection| {
            Box::pin(async move { of_handle(connection, &client, &app, handle, now).await })
        });
        row.await?.map(SessionRow::into_session).transpose()
    }
}

/// Returns the row of a guest.
pub(super) async fn of_guest(
    connection: &mut SqliteConnection,
    guest: GuestKey<'_>,
    now_ms: i64,
) -> Result<Option<SessionRow>, sqlx::Error> {
    sqlx::query_as(OF_GUEST)
        .bind(guest.client.as_str())
        .bind(guest.app.as_str())
        .bind(guest.openid)
        .bind(now_ms)
        .fetch_optional(connection)
        .await
}

async fn of_handle(
    connection: &mut SqliteConnection,
    client: &ClientName,
    app: &AppId,
    handle: HandleKey,
    now_ms: i64,
) -> Result<Option<SessionRow>, sqlx::Error> {
    sqlx::query_as(OF_HANDLE)
        .bind(client.as_str())
        .bind(app.as_str())
        .bind(handle.as_bytes().to_vec())
        .bind(now_ms)
        .fetch_optional(connection)
        .await
}

/// Returns the row of the first of `hashes` that has one: they are of one code, under each key
/// that is accepted.
async fn of_code(
    connection: &mut SqliteConnection,
    client: &ClientName,
    app: &AppId,
    hashes: Vec<KeyedHash>,
    now_ms: i64,
) -> Result<Option<SessionRow>, sqlx::Error> {
    for hash in hashes {
        let row = sqlx::query_as(OF_CODE)
            .bind(client.as_str())
            .bind(app.as_str())
            .bind(hash.to_vec())
            .bind(now_ms)
            .fetch_optional(&mut *connection)
            .await?;
        if row.is_some() {
            return Ok(row);
        }
    }
    Ok(None)
}

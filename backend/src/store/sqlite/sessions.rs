//! Reading `sessions`.

use sqlx::{FromRow, SqliteConnection};

use crate::store::{
    batch,
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

/// Whose a session is.
pub(super) type Owner = (ClientName, AppId);

/// What is kept of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guest {
    pub(super) unionid: Option<String>,
    pub(super) phone_hash: Option<Vec<u8>>,
    pub(super) current: Key,
    pub(super) previous: Option<Key>,
    pub(super) purge_at: i64,
}

/// A session key at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) sealed: Vec<u8>,
    pub(super) hash: Vec<u8>,
    pub(super) code_hash: Vec<u8>,
    pub(super) exchanged_at: i64,
}

/// A row of `sessions`.
#[derive(Debug)]
pub(super) struct Row {
    openid: String,
    pub(super) guest: Guest,
}

pub(super) async fn of_guest(
    connection: &mut SqliteConnection,
    (client, app, openid): batch::Guest<'_>,
    now: i64,
) -> Result<Option<Row>, sqlx::Error> {
    sqlx::query_as(OF_GUEST)
        .bind(client.as_str())
        .bind(app.as_str())
        .bind(openid)
        .bind(now)
        .fetch_optional(connection)
        .await
}

pub(super) async fn of_handle(
    connection: &mut SqliteConnection,
    (client, app): Owner,
    handle: HandleKey,
    now: i64,
) -> Result<Option<Row>, sqlx::Error> {
    sqlx::query_as(OF_HANDLE)
        .bind(client.as_str())
        .bind(app.as_str())
        .bind(handle.as_bytes().to_vec())
        .bind(now)
        .fetch_optional(connection)
        .await
}

/// The session of the first of `hashes` that has one: they are of one code, under each
/// key that is accepted.
pub(super) async fn of_code(
    connection: &mut SqliteConnection,
    (client, app): Owner,
    hashes: Vec<KeyedHash>,
    now: i64,
) -> Result<Option<Row>, sqlx::Error> {
    for hash in hashes {
        let row = sqlx::query_as(OF_CODE)
            .bind(client.as_str())
            .bind(app.as_str())
            .bind(hash.to_vec())
            .bind(now)
            .fetch_optional(&mut *connection)
            .await?;
        if row.is_some() {
            return Ok(row);
        }
    }
    Ok(None)
}

impl<'r> FromRow<'r, sqlx::sqlite::SqliteRow> for Row {
    fn from_row(row: &'r sqlx::sqlite::SqliteRow) -> Result<Self, sqlx::Error> {
        use sqlx::Row as _;
        let previous = match row.try_get("previous_key")? {
            None => None,
            Some(sealed) => Some(Key {
                sealed,
                hash: row.try_get("previous_key_hash")?,
                code_hash: row.try_get("previous_code_hash")?,
                exchanged_at: row.try_get("previous_exchanged_at")?,
            }),
        };
        Ok(Self {
            openid: row.try_get("openid")?,
            guest: Guest {
                unionid: row.try_get("unionid")?,
                phone_hash: row.try_get("phone_hash")?,
                purge_at: row.try_get("purge_at")?,
                current: Key {
                    sealed: row.try_get("key")?,
                    hash: row.try_get("key_hash")?,
                    code_hash: row.try_get("code_hash")?,
                    exchanged_at: row.try_get("exchanged_at")?,
                },
                previous,
            },
        })
    }
}

pub(super) fn session(row: Row) -> Result<StoredSession, StoreError> {
    let keys = std::iter::once(row.guest.current).chain(row.guest.previous).map(stored_key);
    Ok(StoredSession {
        openid: row.openid,
        unionid: row.guest.unionid,
        keys: keys.collect::<Result<_, _>>()?,
    })
}

fn stored_key(key: Key) -> Result<StoredKey, StoreError> {
    Ok(StoredKey {
        key: Sealed::from_bytes(key.sealed),
        code_hash: crate::store::sqlite::hash(&key.code_hash)?,
        exchanged_at: crate::store::sqlite::at(key.exchanged_at)?,
    })
}

//! The statements on `sessions`, and the rule by which a row changes.

use sqlx::{FromRow, SqliteConnection};

use crate::{
    app::{AppId, ClientName},
    envelope::unix_ms,
    store::{StoreError, StoredKey, StoredSession, batch::OwnedSession},
    vault::{KeyedHash, Sealed},
};

pub(super) const OF_GUEST: &str = "
SELECT openid, unionid, purge_at, key, key_hash, code_hash, exchanged_at,
       previous_key, previous_key_hash, previous_code_hash, previous_exchanged_at
  FROM sessions
 WHERE client = ?1 AND app = ?2 AND openid = ?3 AND purge_at > ?4";

pub(super) const OF_CODE: &str = "
SELECT openid, unionid, purge_at, key, key_hash, code_hash, exchanged_at,
       previous_key, previous_key_hash, previous_code_hash, previous_exchanged_at
  FROM sessions
 WHERE client = ?1 AND app = ?2 AND (code_hash = ?3 OR previous_code_hash = ?3)
   AND purge_at > ?4
 ORDER BY exchanged_at DESC LIMIT 1";

const WRITE: &str = "
INSERT INTO sessions (client, app, openid, unionid, purge_at,
                      key, key_hash, code_hash, exchanged_at,
                      previous_key, previous_key_hash, previous_code_hash, previous_exchanged_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
ON CONFLICT (client, app, openid) DO UPDATE
   SET unionid = excluded.unionid, purge_at = excluded.purge_at,
       key = excluded.key, key_hash = excluded.key_hash, code_hash = excluded.code_hash,
       exchanged_at = excluded.exchanged_at, previous_key = excluded.previous_key,
       previous_key_hash = excluded.previous_key_hash,
       previous_code_hash = excluded.previous_code_hash,
       previous_exchanged_at = excluded.previous_exchanged_at";

/// Whose a session is.
pub(super) type Owner = (ClientName, AppId);

/// What an exchange gave, with whose it is.
pub(super) struct New {
    owner: Owner,
    openid: String,
    guest: Guest,
}

/// What is kept of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guest {
    pub(super) unionid: Option<String>,
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
    guest: Guest,
}

impl From<OwnedSession<'_>> for New {
    fn from((client, app, session): OwnedSession<'_>) -> Self {
        Self {
            owner: (client.clone(), app.clone()),
            openid: session.openid.clone(),
            guest: Guest {
                unionid: session.unionid.clone(),
                current: Key {
                    sealed: session.key.as_bytes().to_vec(),
                    hash: session.key_hash.to_vec(),
                    code_hash: session.code_hash.to_vec(),
                    exchanged_at: unix_ms(session.exchanged_at),
                },
                previous: None,
                purge_at: unix_ms(session.purge_at),
            },
        }
    }
}

/// What `kept` becomes when an exchange gave `new`.
///
/// Keys are ordered by the time of their exchange, not of their arrival, and shift only
/// when they differ: the platform gives the same key again and again for some days.
pub(super) fn merged(kept: Guest, new: Guest) -> Guest {
    let purge_at = kept.purge_at.max(new.purge_at);
    let same = new.current.hash == kept.current.hash;
    if new.current.exchanged_at >= kept.current.exchanged_at {
        return Guest {
            unionid: new.unionid.or(kept.unionid),
            previous: if same { kept.previous } else { Some(kept.current) },
            current: new.current,
            purge_at,
        };
    }
    let between = kept
        .previous
        .as_ref()
        .is_none_or(|previous| new.current.exchanged_at > previous.exchanged_at);
    let previous = if !same && between { Some(new.current) } else { kept.previous };
    Guest { previous, purge_at, ..kept }
}

/// Keeps what an exchange gave. Reading first is safe: nobody else writes.
pub(super) async fn keep(
    connection: &mut SqliteConnection,
    new: New,
    now: i64,
) -> Result<(), sqlx::Error> {
    let guest = match of_guest(connection, &new.owner, &new.openid, now).await? {
        None => new.guest,
        Some(row) => merged(row.guest, new.guest),
    };
    write(connection, &new.owner, &new.openid, guest).await
}

async fn write(
    connection: &mut SqliteConnection,
    (client, app): &Owner,
    openid: &str,
    guest: Guest,
) -> Result<(), sqlx::Error> {
    let (current, previous) = (guest.current, guest.previous);
    sqlx::query(WRITE)
        .bind(client.as_str())
        .bind(app.as_str())
        .bind(openid)
        .bind(guest.unionid)
        .bind(guest.purge_at)
        .bind(current.sealed)
        .bind(current.hash)
        .bind(current.code_hash)
        .bind(current.exchanged_at)
        .bind(previous.as_ref().map(|key| key.sealed.clone()))
        .bind(previous.as_ref().map(|key| key.hash.clone()))
        .bind(previous.as_ref().map(|key| key.code_hash.clone()))
        .bind(previous.as_ref().map(|key| key.exchanged_at))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn of_guest(
    connection: &mut SqliteConnection,
    (client, app): &Owner,
    openid: &str,
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
        code_hash: super::hash(&key.code_hash)?,
        exchanged_at: super::at(key.exchanged_at)?,
    })
}

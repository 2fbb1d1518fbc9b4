//! Reads sessions.

use sqlx::{FromRow, Row, postgres::PgRow};

use super::PostgresStore;
use crate::store::{
    error::StoreError,
    stored_session::{KeyRow, StoredSession},
};
use quhao_common::{
    crypto::vault::KeyedHash,
    domain::{app::AppId, client::ClientName, session_handle::HandleKey},
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

/// A row of table `sessions`.
struct SessionRow {
    openid: String,
    unionid: Option<String>,
    current: KeyRow,
    previous: Option<KeyRow>,
}

impl FromRow<'_, PgRow> for SessionRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let current = KeyRow {
            key: row.try_get("key")?,
            code_hash: row.try_get("code_hash")?,
            exchanged_at: row.try_get("exchanged_at")?,
        };
        let previous = match row.try_get("previous_key")? {
            None => None,
            Some(key) => Some(KeyRow {
                key,
                code_hash: row.try_get("previous_code_hash")?,
                exchanged_at: row.try_get("previous_exchanged_at")?,
            }),
        };
        Ok(Self {
            openid: row.try_get("openid")?,
            unionid: row.try_get("unionid")?,
            current,
            previous,
        })
    }
}

impl SessionRow {
    fn into_session(self) -> Result<StoredSession, StoreError> {
        let keys = std::iter::once(self.current).chain(self.previous).map(KeyRow::into_key);
        Ok(StoredSession {
            openid: self.openid,
            unionid: self.unionid,
            keys: keys.collect::<Result<_, _>>()?,
        })
    }
}

impl PostgresStore {
    /// Returns the session whose current or previous key came from a login code with one of these
    /// keyed hashes.
    pub(crate) async fn session_of_code(
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
        row.await?.map(SessionRow::into_session).transpose()
    }

    /// Returns the session of a guest.
    pub(crate) async fn session_of_guest(
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
        row.await?.map(SessionRow::into_session).transpose()
    }

    /// Returns the session that clients know by `handle`.
    pub(crate) async fn session_of_handle(
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
        row.await?.map(SessionRow::into_session).transpose()
    }
}

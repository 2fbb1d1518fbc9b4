//! Numbers beside sessions.

use sqlx::SqliteConnection;

use super::SqliteStore;
use crate::store::{batch::Guest, erasure::GUESTS_OF_PHONE_MAX, error::StoreError};
use quhao_common::{
    crypto::vault::KeyedHash,
    domain::app::{AppId, ClientName},
};

/// What is past its time but still there is found too: it is to be erased.
pub(super) const GUESTS: &str = "
SELECT openid FROM jobs
 WHERE client = ?1 AND app = ?2 AND openid IS NOT NULL
   AND phone_hash IN (SELECT unhex(value) FROM json_each(?3))
 UNION
SELECT openid FROM sessions
 WHERE client = ?1 AND app = ?2 AND phone_hash IN (SELECT unhex(value) FROM json_each(?3))
 LIMIT ?4";

const GIVE: &str = "
UPDATE sessions SET phone_hash = ?4
 WHERE client = ?1 AND app = ?2 AND openid = ?3 AND phone_hash IS NOT ?4";

impl SqliteStore {
    /// See [`crate::store::Store::guests_of_phone`].
    pub async fn guests_of_phone(
        &self,
        client: &ClientName,
        app: &AppId,
        phone_hashes: &[KeyedHash],
    ) -> Result<Vec<String>, StoreError> {
        let (client, app) = (client.as_str().to_owned(), app.as_str().to_owned());
        let hashes = crate::store::sqlite::json(phone_hashes);
        let guests = self.database.read(self.limit, move |connection| {
            let guests = sqlx::query_scalar(GUESTS);
            let guests = guests.bind(client).bind(app).bind(hashes).bind(GUESTS_OF_PHONE_MAX);
            Box::pin(guests.fetch_all(connection))
        });
        Ok(guests.await?)
    }
}

/// Puts a number beside the session that a guest has, if there is one.
pub(super) async fn give(
    connection: &mut SqliteConnection,
    (client, app, openid): Guest<'_>,
    hash: &KeyedHash,
) -> Result<(), sqlx::Error> {
    sqlx::query(GIVE)
        .bind(client.as_str())
        .bind(app.as_str())
        .bind(openid)
        .bind(hash.as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

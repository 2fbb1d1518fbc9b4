//! Phone numbers, by their keyed hashes, beside sessions.

use sqlx::SqliteConnection;

use super::{SqliteStore, encoding::hex_array};
use crate::store::{batch::GuestKey, erasure::GUESTS_OF_PHONE_MAX, error::StoreError};
use quhao_common::{
    crypto::vault::KeyedHash,
    domain::{app::AppId, client::ClientName},
};

/// Finds rows past their retention as well: they have to be erased too.
pub(super) const GUESTS: &str = "
SELECT openid FROM jobs
 WHERE client = ?1 AND app = ?2 AND openid IS NOT NULL
   AND phone_hash IN (SELECT unhex(value) FROM json_each(?3))
 UNION
SELECT openid FROM sessions
 WHERE client = ?1 AND app = ?2 AND phone_hash IN (SELECT unhex(value) FROM json_each(?3))
 LIMIT ?4";

const STORE: &str = "
UPDATE sessions SET phone_hash = ?4
 WHERE client = ?1 AND app = ?2 AND openid = ?3 AND phone_hash IS NOT ?4";

impl SqliteStore {
    /// Returns the guests whose phone number has one of these keyed hashes.
    pub(crate) async fn guests_of_phone(
        &self,
        client: &ClientName,
        app: &AppId,
        phone_hashes: &[KeyedHash],
    ) -> Result<Vec<String>, StoreError> {
        let client = client.as_str().to_owned();
        let app = app.as_str().to_owned();
        let hashes = hex_array(phone_hashes);
        let guests = self.database.read(self.limit, move |connection| {
            let guests = sqlx::query_scalar(GUESTS);
            let guests = guests.bind(client).bind(app).bind(hashes).bind(GUESTS_OF_PHONE_MAX);
            Box::pin(guests.fetch_all(connection))
        });
        Ok(guests.await?)
    }
}

/// Stores a phone number in the session of a guest, if there is one.
pub(super) async fn store(
    connection: &mut SqliteConnection,
    guest: GuestKey<'_>,
    hash: &KeyedHash,
) -> Result<(), sqlx::Error> {
    sqlx::query(STORE)
        .bind(guest.client.as_str())
        .bind(guest.app.as_str())
        .bind(guest.openid)
        .bind(hash.as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

//! Phone numbers, by their keyed hashes, beside sessions.

use sqlx::postgres::PgConnection;

use super::PostgresStore;
use crate::store::{
    batch::{GuestKey, GuestUpdates},
    erasure::GUESTS_OF_PHONE_MAX,
    error::StoreError,
};
use quhao_common::{
    crypto::vault::KeyedHash,
    domain::{app::AppId, client::ClientName},
};

/// Finds rows past their retention as well: they have to be erased too.
const GUESTS: &str = "\
    select openid from jobs \
    where client = $1 and app = $2 and phone_hash = any($3) and openid is not null \
    union \
    select openid from sessions where client = $1 and app = $2 and phone_hash = any($3) \
    limit $4";

/// Locks the sessions of all guests of a batch in their order, so that no two writers wait for
/// each other. That includes those that an exchange is about to change, which are given without
/// a hash. Sessions that have the hash already are left alone.
const STORE: &str = "\
    with locked as (\
        select s.client, s.app, s.openid, g.phone_hash \
        from unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) with ordinality \
            as g (client, app, openid, phone_hash, number) \
        join sessions as s \
            on s.client = g.client and s.app = g.app and s.openid = g.openid \
        where g.phone_hash is null or s.phone_hash is distinct from g.phone_hash \
        order by g.number for update of s\
    ) update sessions as s set phone_hash = locked.phone_hash from locked \
    where s.client = locked.client and s.app = locked.app and s.openid = locked.openid \
        and locked.phone_hash is not null";

impl PostgresStore {
    /// Returns the guests whose phone number has one of these keyed hashes.
    pub(crate) async fn guests_of_phone(
        &self,
        client: &ClientName,
        app: &AppId,
        phone_hashes: &[KeyedHash],
    ) -> Result<Vec<String>, StoreError> {
        if phone_hashes.is_empty() {
            return Ok(Vec::new());
        }
        let hashes = &phone_hashes.iter().map(<[u8; 16]>::as_slice).collect::<Vec<_>>();
        let guests = self.pool.run(|mut connection| async move {
            let guests = sqlx::query_scalar(GUESTS)
                .bind(client.as_str())
                .bind(app.as_str())
                .bind(hashes)
                .bind(i64::from(GUESTS_OF_PHONE_MAX))
                .fetch_all(&mut connection)
                .await?;
            Ok((guests, connection))
        });
        Ok(guests.await?)
    }
}

/// Stores the phone numbers of guests without an exchange in the sessions that they have. Part
/// of a transaction, before sessions are written.
pub(super) async fn store(
    connection: &mut PgConnection,
    updates: &GuestUpdates<'_>,
) -> Result<(), sqlx::Error> {
    if updates.phones.is_empty() {
        return Ok(());
    }
    let exchanges = updates.rounds.first().into_iter().flatten();
    let mut all: Vec<(GuestKey<'_>, Option<&[u8]>)> =
        exchanges.map(|exchange| (exchange.guest, None)).collect();
    all.extend(updates.phones.iter().map(|(guest, hash)| (*guest, Some(hash.as_slice()))));
    all.sort_unstable();
    sqlx::query(STORE)
        .bind(all.iter().map(|(guest, _)| guest.client.as_str()).collect::<Vec<_>>())
        .bind(all.iter().map(|(guest, _)| guest.app.as_str()).collect::<Vec<_>>())
        .bind(all.iter().map(|(guest, _)| guest.openid).collect::<Vec<_>>())
        .bind(all.iter().map(|(_, hash)| *hash).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

//! Writes what an exchange gave into the session of its guest.

use sqlx::SqliteConnection;

use super::sessions::{KeptKey, KeptSession, of_guest};
use crate::store::batch::Exchange;
use quhao_common::{
    crypto::vault::KeyedHash, domain::finished::NewSession, envelope::unix_ms::unix_ms,
};

const WRITE: &str = "
INSERT INTO sessions (client, app, openid, unionid, purge_at,
                      key, key_hash, code_hash, exchanged_at,
                      previous_key, previous_key_hash, previous_code_hash, previous_exchanged_at,
                      handle, phone_hash)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
ON CONFLICT (client, app, openid) DO UPDATE
   SET unionid = excluded.unionid, purge_at = excluded.purge_at,
       key = excluded.key, key_hash = excluded.key_hash, code_hash = excluded.code_hash,
       exchanged_at = excluded.exchanged_at, previous_key = excluded.previous_key,
       previous_key_hash = excluded.previous_key_hash,
       previous_code_hash = excluded.previous_code_hash,
       previous_exchanged_at = excluded.previous_exchanged_at,
       handle = excluded.handle, phone_hash = excluded.phone_hash";

/// Returns what the `kept` session becomes when an exchange gave a `new` one.
///
/// Keys are ordered by the time of their exchange, not of their arrival, and shift only when
/// they differ: the platform gives the same key again and again for some days.
pub(super) fn merged(kept: KeptSession, new: KeptSession) -> KeptSession {
    let purge_at = kept.purge_at.max(new.purge_at);
    let same = new.current.hash == kept.current.hash;
    if new.current.exchanged_at >= kept.current.exchanged_at {
        return KeptSession {
            unionid: new.unionid.or(kept.unionid),
            phone_hash: new.phone_hash.or(kept.phone_hash),
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
    let phone_hash = kept.phone_hash.or(new.phone_hash);
    KeptSession { phone_hash, previous, purge_at, ..kept }
}

/// Stores what an exchange gave. To read first is safe: nobody else writes.
pub(super) async fn store(
    connection: &mut SqliteConnection,
    exchange: &Exchange<'_>,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let new = new_session(exchange.session, exchange.phone_hash);
    let session = match of_guest(connection, exchange.guest, now_ms).await? {
        None => new,
        Some(row) => merged(row.session, new),
    };
    write(connection, exchange, session).await
}

fn new_session(session: &NewSession, phone_hash: Option<&KeyedHash>) -> KeptSession {
    KeptSession {
        unionid: session.unionid.clone(),
        phone_hash: phone_hash.map(|hash| hash.to_vec()),
        current: KeptKey {
            sealed: session.key.as_bytes().to_vec(),
            hash: session.key_hash.to_vec(),
            code_hash: session.code_hash.to_vec(),
            exchanged_at: unix_ms(session.exchanged_at),
        },
        previous: None,
        purge_at: unix_ms(session.purge_at),
    }
}

async fn write(
    connection: &mut SqliteConnection,
    exchange: &Exchange<'_>,
    session: KeptSession,
) -> Result<(), sqlx::Error> {
    let current = session.current;
    let previous = session.previous;
    sqlx::query(WRITE)
        .bind(exchange.guest.client.as_str())
        .bind(exchange.guest.app.as_str())
        .bind(exchange.guest.openid)
        .bind(session.unionid)
        .bind(session.purge_at)
        .bind(current.sealed)
        .bind(current.hash)
        .bind(current.code_hash)
        .bind(current.exchanged_at)
        .bind(previous.as_ref().map(|key| key.sealed.clone()))
        .bind(previous.as_ref().map(|key| key.hash.clone()))
        .bind(previous.as_ref().map(|key| key.code_hash.clone()))
        .bind(previous.as_ref().map(|key| key.exchanged_at))
        .bind(exchange.session.handle.as_bytes().as_slice())
        .bind(session.phone_hash)
        .execute(connection)
        .await?;
    Ok(())
}

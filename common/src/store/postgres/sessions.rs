//! Sessions: table `sessions`.

use sqlx::postgres::PgConnection;
use time::OffsetDateTime;

use super::PostgresStore;
use crate::{
    app::{AppId, ClientName},
    store::{StoreError, StoredKey, StoredSession, batch::OwnedSession},
    vault::{KeyedHash, Sealed},
};

macro_rules! select {
    ($condition:literal) => {
        concat!(
            "select openid, unionid, key, code_hash, exchanged_at, \
                    previous_key, previous_code_hash, previous_exchanged_at \
             from sessions where client = $1 and app = $2 and ",
            $condition,
            " and purge_at > now() order by exchanged_at desc limit 1"
        )
    };
}

const OF_GUEST: &str = select!("openid = $3");
const OF_CODE: &str = select!("(code_hash = any($3) or previous_code_hash = any($3))");

/// What an exchange does to the row of its guest, by the time of the exchange:
///
/// - `replace`: the row is past its time, so it counts as gone, its previous key too;
/// - `confirm`: not older than the current key, and the same key: its code is the latest;
/// - `shift`: not older, another key: the current one becomes the previous one;
/// - `insert`: older, but newer than the previous one: it becomes the previous one;
/// - `ignore`: the rest.
const WRITE: &str = "\
    insert into sessions as old (client, app, openid, unionid, key, key_hash, code_hash, \
                                 exchanged_at, purge_at) \
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], \
                         $6::bytea[], $7::bytea[], $8::timestamptz[], $9::timestamptz[]) \
    on conflict (client, app, openid) do update set \
        (unionid, key, key_hash, code_hash, exchanged_at, purge_at, \
         previous_key, previous_key_hash, previous_code_hash, previous_exchanged_at) = (\
        select \
            case when verb = 'replace' then excluded.unionid \
                 when verb in ('confirm', 'shift') then coalesce(excluded.unionid, old.unionid) \
                 else old.unionid end, \
            case when verb in ('replace', 'shift') then excluded.key else old.key end, \
            case when verb in ('replace', 'shift') then excluded.key_hash \
                 else old.key_hash end, \
            case when verb in ('replace', 'shift', 'confirm') then excluded.code_hash \
                 else old.code_hash end, \
            case when verb in ('replace', 'shift', 'confirm') then excluded.exchanged_at \
                 else old.exchanged_at end, \
            greatest(excluded.purge_at, old.purge_at), \
            case verb when 'replace' then null when 'shift' then old.key \
                      when 'insert' then excluded.key else old.previous_key end, \
            case verb when 'replace' then null when 'shift' then old.key_hash \
                      when 'insert' then excluded.key_hash else old.previous_key_hash end, \
            case verb when 'replace' then null when 'shift' then old.code_hash \
                      when 'insert' then excluded.code_hash else old.previous_code_hash end, \
            case verb when 'replace' then null when 'shift' then old.exchanged_at \
                      when 'insert' then excluded.exchanged_at \
                      else old.previous_exchanged_at end \
        from (select case \
            when old.purge_at <= now() then 'replace' \
            when excluded.exchanged_at >= old.exchanged_at \
                then case when excluded.key_hash = old.key_hash then 'confirm' else 'shift' end \
            when excluded.key_hash <> old.key_hash \
                and (old.previous_exchanged_at is null \
                     or excluded.exchanged_at > old.previous_exchanged_at) then 'insert' \
            else 'ignore' end as verb) as decided)";

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
}

/// A round of exchanges as the statement takes it: one array a column, a guest once.
#[derive(Default)]
pub(super) struct SessionColumns<'a> {
    client: Vec<&'a str>,
    app: Vec<&'a str>,
    openid: Vec<&'a str>,
    unionid: Vec<Option<&'a str>>,
    key: Vec<&'a [u8]>,
    key_hash: Vec<&'a [u8]>,
    code_hash: Vec<&'a [u8]>,
    exchanged_at: Vec<OffsetDateTime>,
    purge_at: Vec<OffsetDateTime>,
}

impl<'a> SessionColumns<'a> {
    pub(super) fn new(round: &[OwnedSession<'a>]) -> Self {
        let mut columns = Self::default();
        for (client, app, session) in round {
            columns.client.push(client.as_str());
            columns.app.push(app.as_str());
            columns.openid.push(&session.openid);
            columns.unionid.push(session.unionid.as_deref());
            columns.key.push(session.key.as_bytes());
            columns.key_hash.push(&session.key_hash);
            columns.code_hash.push(&session.code_hash);
            columns.exchanged_at.push(session.exchanged_at);
            columns.purge_at.push(session.purge_at);
        }
        columns
    }

    /// Part of a transaction.
    pub(super) async fn write(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query(WRITE)
            .bind(&self.client)
            .bind(&self.app)
            .bind(&self.openid)
            .bind(&self.unionid)
            .bind(&self.key)
            .bind(&self.key_hash)
            .bind(&self.code_hash)
            .bind(&self.exchanged_at)
            .bind(&self.purge_at)
            .execute(connection)
            .await?;
        Ok(())
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

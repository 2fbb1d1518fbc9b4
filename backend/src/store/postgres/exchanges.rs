//! Writes what an exchange gave into the session of its guest.

use sqlx::postgres::PgConnection;
use time::OffsetDateTime;

use crate::store::batch::Exchange;

/// Writes an exchange into the row of its guest. What it does depends on its time:
///
/// - `replace`: the row is past its retention, so it counts as gone, with its previous key.
/// - `confirm`: not older than the current key, and the same key: its code is the latest, and
///   its box is sealed with the newest seal key.
/// - `shift`: not older, another key: the current one becomes the previous one.
/// - `insert`: older, but newer than the previous one: it becomes the previous one.
/// - `ignore`: everything else.
const WRITE: &str = "\
    insert into sessions as old (client, app, openid, unionid, key, key_hash, code_hash, \
                                 exchanged_at, purge_at, handle, phone_hash) \
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], \
                         $6::bytea[], $7::bytea[], $8::timestamptz[], $9::timestamptz[], $10::bytea[], \
                         $11::bytea[]) \
    on conflict (client, app, openid) do update set \
        (unionid, key, key_hash, code_hash, exchanged_at, purge_at, handle, phone_hash, \
         previous_key, previous_key_hash, previous_code_hash, previous_exchanged_at) = (\
        select \
            case when verb = 'replace' then excluded.unionid \
                 when verb in ('confirm', 'shift') then coalesce(excluded.unionid, old.unionid) \
                 else old.unionid end, \
            case when verb in ('replace', 'shift', 'confirm') then excluded.key \
                 else old.key end, \
            case when verb in ('replace', 'shift') then excluded.key_hash \
                 else old.key_hash end, \
            case when verb in ('replace', 'shift', 'confirm') then excluded.code_hash \
                 else old.code_hash end, \
            case when verb in ('replace', 'shift', 'confirm') then excluded.exchanged_at \
                 else old.exchanged_at end, \
            greatest(excluded.purge_at, old.purge_at), \
            excluded.handle, \
            case when verb = 'replace' then excluded.phone_hash \
                 when verb in ('confirm', 'shift') \
                 then coalesce(excluded.phone_hash, old.phone_hash) \
                 else coalesce(old.phone_hash, excluded.phone_hash) end, \
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

/// A round of exchanges as the statement takes it: one array for each column. A guest is in it
/// once.
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
    handle: Vec<&'a [u8]>,
    phone_hash: Vec<Option<&'a [u8]>>,
}

impl<'a> SessionColumns<'a> {
    /// Returns the columns of a round.
    pub(super) fn new(round: &[Exchange<'a>]) -> Self {
        let mut columns = Self::default();
        for Exchange { guest, session, phone_hash } in round {
            columns.client.push(guest.client.as_str());
            columns.app.push(guest.app.as_str());
            columns.openid.push(guest.openid);
            columns.unionid.push(session.unionid.as_deref());
            columns.key.push(session.key.as_bytes());
            columns.key_hash.push(&session.key_hash);
            columns.code_hash.push(&session.code_hash);
            columns.exchanged_at.push(session.exchanged_at);
            columns.purge_at.push(session.purge_at);
            columns.handle.push(session.handle.as_bytes());
            columns.phone_hash.push(phone_hash.map(<[u8; 16]>::as_slice));
        }
        columns
    }

    /// Writes the round. Part of a transaction.
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
            .bind(&self.handle)
            .bind(&self.phone_hash)
            .execute(connection)
            .await?;
        Ok(())
    }
}

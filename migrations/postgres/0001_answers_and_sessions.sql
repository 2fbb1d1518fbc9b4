-- Answers to jobs, and the sessions that exchanges gave.
--
-- Columns that say "sealed" hold AES-256-GCM boxes (key number, nonce, ciphertext, tag).
-- They are opaque here on purpose: a dump, a replica or a backup of this database gives
-- away no phone number and no session key. Columns that say "keyed hash" hold 16 bytes
-- of an HMAC whose key is not in this database either, so that a phone number, of which
-- there are few, cannot be found by trying them all.

create table jobs (
    -- The keyed hash of the submission: the same submission is the same row.
    key         bytea       primary key check (octet_length(key) = 16),
    client      text        not null,
    app         text        not null,
    -- 1 failed, 2 succeeded, 3 erased (not written yet). The higher one wins.
    status      smallint    not null check (status in (1, 2, 3)),
    -- The failure's code; it decides which of two failures stays.
    failure     text        check ((status = 1) = (failure is not null)),
    created_at  timestamptz not null,
    expires_at  timestamptz not null,
    finished_at timestamptz not null,
    -- From then on the row counts as gone, whether or not it was deleted yet.
    purge_at    timestamptz not null,
    -- Sealed: the whole answer, phone number and metadata included.
    answer      bytea       not null,
    -- Plain, because erasure looks it up: a pseudonym that means something to the
    -- platform and to the app's owner only.
    openid      text,
    -- Keyed hash of the E.164 number, for look-up and erasure.
    phone_hash  bytea       check (octet_length(phone_hash) = 16)
);

-- Retention.
create index jobs_purge_at on jobs (purge_at);
-- Erasure of everything about a person.
create index jobs_openid on jobs (app, openid) where openid is not null;
create index jobs_phone_hash on jobs (app, phone_hash) where phone_hash is not null;

create table sessions (
    client                text        not null,
    app                   text        not null,
    openid                text        not null,
    unionid               text,
    -- Sealed: the platform's session key. Whoever has it can forge a guest's payloads.
    key                   bytea       not null,
    -- Hash of the session key (128 random bits), to tell whether a login rotated it.
    key_hash              bytea       not null check (octet_length(key_hash) = 16),
    -- Keyed hash of the login code whose exchange gave the key last.
    code_hash             bytea       not null check (octet_length(code_hash) = 16),
    exchanged_at          timestamptz not null,
    -- The key before: all four are null, or none.
    previous_key          bytea,
    previous_key_hash     bytea       check (octet_length(previous_key_hash) = 16),
    previous_code_hash    bytea       check (octet_length(previous_code_hash) = 16),
    previous_exchanged_at timestamptz,
    -- From then on the row counts as gone, whether or not it was deleted yet.
    purge_at              timestamptz not null,
    primary key (client, app, openid),
    check (num_nulls(previous_key, previous_key_hash, previous_code_hash,
                     previous_exchanged_at) in (0, 4))
);

-- "Which session came from this very login code?", asked of both keys.
create index sessions_code_hash on sessions (app, code_hash);
create index sessions_previous_code_hash on sessions (app, previous_code_hash);
-- Retention.
create index sessions_purge_at on sessions (purge_at);

-- The oldest schema version that a build may be made for and still work with this
-- database. A later migration that breaks older builds raises it.
create table quhao_schema (
    min_compatible bigint not null
);
create unique index quhao_schema_one_row on quhao_schema ((true));
insert into quhao_schema (min_compatible) values (1);

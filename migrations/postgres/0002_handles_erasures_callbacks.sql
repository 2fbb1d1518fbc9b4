-- Handles of sessions, what was erased, and callbacks.
--
-- A build that knows version 1 only can work with this: what is new it leaves empty, and
-- it never touches a row with `jobs.status` 3, which is written from now on: an answer
-- that was erased. Such a row keeps key, client, app and times, so that nobody is told
-- "queued" for ever; answer, openid, phone_hash and failure are gone.

-- One statement, so that the table is read once.
alter table sessions
    -- Plain, because clients name the session by it: a hash of client, app and openid, so
    -- it tells nothing that does not stand beside it. Null in rows of older builds until
    -- the guest's next login.
    add column handle     bytea check (octet_length(handle) = 16),
    -- Keyed hash of the E.164 number that the guest gave last, for erasure.
    add column phone_hash bytea check (octet_length(phone_hash) = 16);

-- Not unique, though a handle belongs to one guest: where two inserts of one guest meet,
-- `on conflict` of the primary key does not keep a second unique index from failing one.
create index sessions_handle on sessions (handle) where handle is not null;
create index sessions_phone_hash on sessions (app, phone_hash) where phone_hash is not null;

-- Whom to forget: what a job that was created by then still brings is not kept.
create table erasures (
    app       text        not null,
    -- Keyed hash of an openid or of an E.164 number; 16 zero bytes are the whole app.
    -- Nobody who was forgotten can be told from this table without the key.
    subject   bytea       not null check (octet_length(subject) = 16),
    erased_at timestamptz not null,
    -- From then on nothing older can come any more, and the row counts as gone.
    purge_at  timestamptz not null,
    primary key (app, subject)
);
-- Retention.
create index erasures_purge_at on erasures (purge_at);

-- Word that has to be sent, or was. Where to and what it says is not in here: that stands
-- in the sealed answer of the job.
create table callbacks (
    -- The job's.
    key         bytea       not null check (octet_length(key) = 16),
    -- 1 failed, 2 succeeded: that of `jobs.status`.
    event       smallint    not null check (event in (1, 2)),
    client      text        not null,
    app         text        not null,
    -- 0 due, 1 delivered, 2 failed, 3 cancelled.
    state       smallint    not null default 0 check (state in (0, 1, 2, 3)),
    -- Attempts that were begun. A claim counts at once: it is the number of the attempt.
    attempts    integer     not null default 0 check (attempts >= 0),
    -- While an attempt is under way: when somebody else may try.
    due_at      timestamptz not null,
    -- From here its time limit runs.
    created_at  timestamptz not null,
    -- The job's.
    purge_at    timestamptz not null,
    -- HTTP status of the last answer.
    last_status integer,
    -- Why the last attempt did not count: from a closed list, never the receiver's words.
    last_error  text,
    finished_at timestamptz check ((state = 0) = (finished_at is null)),
    primary key (key, event)
);

-- What is due, client by client: a client whose receiver is down may have millions, and
-- nobody else's must wait until those were looked at.
create index callbacks_due on callbacks (client, due_at) where state = 0;
-- An operator's look: the newest, and the newest of those that failed.
create index callbacks_created_at on callbacks (created_at);
create index callbacks_failed on callbacks (created_at) where state = 2;
-- Retention.
create index callbacks_purge_at on callbacks (purge_at);

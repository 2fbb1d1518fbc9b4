-- Handles of sessions, what was erased, and callbacks. Tables and columns bear the same
-- names as in ../postgres, where more is said of them.
--
-- A build that knows version 1 only can work with this: what is new it leaves empty, and
-- it never touches a row with `jobs.status` 3, which is written from now on: an answer
-- that was erased. Its answer, openid, phone_hash and failure are gone.

-- Plain: a hash of client, app and openid. Null in rows of older builds until the guest's
-- next login.
ALTER TABLE sessions ADD COLUMN handle BLOB CHECK (length(handle) = 16);
-- Keyed hash of the E.164 number that the guest gave last, for erasure.
ALTER TABLE sessions ADD COLUMN phone_hash BLOB CHECK (length(phone_hash) = 16);
CREATE INDEX sessions_handle ON sessions (handle) WHERE handle IS NOT NULL;
CREATE INDEX sessions_phone_hash ON sessions (app, phone_hash) WHERE phone_hash IS NOT NULL;

-- Whom to forget: what a job that was created by then still brings is not kept.
CREATE TABLE erasures (
    app       TEXT    NOT NULL,
    -- Keyed hash of an openid or of an E.164 number; 16 zero bytes are the whole app.
    subject   BLOB    NOT NULL CHECK (length(subject) = 16),
    erased_at INTEGER NOT NULL,
    purge_at  INTEGER NOT NULL,
    PRIMARY KEY (app, subject)
) STRICT;
CREATE INDEX erasures_purge_at ON erasures (purge_at);

-- Word that has to be sent, or was. Where to and what it says stands in the sealed answer
-- of the job.
CREATE TABLE callbacks (
    key         BLOB    NOT NULL CHECK (length(key) = 16),
    -- 1 failed, 2 succeeded: that of `jobs.status`.
    event       INTEGER NOT NULL CHECK (event IN (1, 2)),
    client      TEXT    NOT NULL,
    app         TEXT    NOT NULL,
    -- 0 due, 1 delivered, 2 failed, 3 cancelled.
    state       INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 3),
    attempts    INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- While an attempt is under way: when somebody else may try.
    due_at      INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    purge_at    INTEGER NOT NULL,
    last_status INTEGER,
    -- From a closed list, never the receiver's words.
    last_error  TEXT,
    finished_at INTEGER CHECK ((state = 0) = (finished_at IS NULL)),
    PRIMARY KEY (key, event)
) STRICT;
CREATE INDEX callbacks_due ON callbacks (client, due_at) WHERE state = 0;
CREATE INDEX callbacks_created_at ON callbacks (created_at);
CREATE INDEX callbacks_failed ON callbacks (created_at) WHERE state = 2;
CREATE INDEX callbacks_purge_at ON callbacks (purge_at);

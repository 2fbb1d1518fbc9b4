-- Results, sessions and the embedded queue. Times are milliseconds since 1970 (UTC).
-- Tables and columns bear the same names as in ../postgres; `queue` is here only.

-- One row, rewritten by each migration that older builds cannot live with: the oldest
-- schema version whose build may still work on this file.
CREATE TABLE quhao_schema (
    min_compatible INTEGER NOT NULL
) STRICT;
INSERT INTO quhao_schema (min_compatible) VALUES (1);

-- The answer to a job. A job that was not answered has no row.
CREATE TABLE jobs (
    key         BLOB    NOT NULL PRIMARY KEY CHECK (length(key) = 16),
    client      TEXT    NOT NULL,
    app         TEXT    NOT NULL,
    -- 1 failed, 2 succeeded, 3 is kept for erased: the higher one wins.
    status      INTEGER NOT NULL CHECK (status BETWEEN 1 AND 3),
    -- The code of a failure, for the one case in which a later failure replaces it.
    failure     TEXT    CHECK ((status = 1) = (failure IS NOT NULL)),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    purge_at    INTEGER NOT NULL,
    answer      BLOB    NOT NULL,
    openid      TEXT,
    phone_hash  BLOB    CHECK (length(phone_hash) = 16)
) STRICT;
CREATE INDEX jobs_purge_at   ON jobs (purge_at);
CREATE INDEX jobs_openid     ON jobs (app, openid) WHERE openid IS NOT NULL;
CREATE INDEX jobs_phone_hash ON jobs (app, phone_hash) WHERE phone_hash IS NOT NULL;

-- A guest's current session key and the one before it.
CREATE TABLE sessions (
    client                TEXT    NOT NULL,
    app                   TEXT    NOT NULL,
    openid                TEXT    NOT NULL,
    unionid               TEXT,
    key                   BLOB    NOT NULL,
    key_hash              BLOB    NOT NULL CHECK (length(key_hash) = 16),
    code_hash             BLOB    NOT NULL CHECK (length(code_hash) = 16),
    exchanged_at          INTEGER NOT NULL,
    -- All four or none.
    previous_key          BLOB,
    previous_key_hash     BLOB    CHECK (length(previous_key_hash) = 16),
    previous_code_hash    BLOB    CHECK (length(previous_code_hash) = 16),
    previous_exchanged_at INTEGER,
    purge_at              INTEGER NOT NULL,
    PRIMARY KEY (client, app, openid),
    CHECK ((previous_key IS NULL) + (previous_key_hash IS NULL) + (previous_code_hash IS NULL)
           + (previous_exchanged_at IS NULL) IN (0, 4))
) STRICT;
CREATE INDEX sessions_code_hash ON sessions (app, code_hash);
CREATE INDEX sessions_previous_code_hash ON sessions (app, previous_code_hash);
CREATE INDEX sessions_purge_at ON sessions (purge_at);

-- Envelopes, oldest first. Who works on which is in the memory of the one process that
-- has the file open: when that ends, everything here is free again.
CREATE TABLE queue (
    -- Never given twice: a settlement that is repeated must not meet a newer envelope.
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The job's id without its tag, for an operator who looks in here.
    job        TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    -- How often it was handed out.
    attempts   INTEGER NOT NULL DEFAULT 0,
    -- 1: set aside, never handed out again.
    dead       INTEGER NOT NULL DEFAULT 0 CHECK (dead IN (0, 1)),
    body       BLOB    NOT NULL
) STRICT;
-- The oldest waiting ones, without reading bodies or what was set aside.
CREATE INDEX queue_dead ON queue (dead);

-- How many envelopes are not set aside, so that a publish need not count them.
CREATE TABLE queue_length (
    held INTEGER NOT NULL
) STRICT;
INSERT INTO queue_length (held) VALUES (0);

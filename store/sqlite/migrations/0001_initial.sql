-- Times are microseconds since 1970, NULL where the thing has not happened. Statuses are
-- fsm's numbers, end reasons those of reasons.go. Texts may hold any bytes, NUL included.
-- Keys of tables are integers of this file's own, which keeps hot rows and indexes narrow;
-- they never leave the package.

CREATE TABLE organisations (
    key       INTEGER PRIMARY KEY,
    id        TEXT    NOT NULL UNIQUE,
    rev       INTEGER NOT NULL, -- the last revision that was given out
    queued    INTEGER NOT NULL, -- recipients of all its batches
    in_flight INTEGER NOT NULL  -- calls; checked against calls_in_flight when a node takes the lock
) STRICT;

CREATE INDEX organisations_active ON organisations (key) WHERE queued + in_flight > 0;

CREATE TABLE batches (
    key          INTEGER PRIMARY KEY,
    org          INTEGER NOT NULL,
    id           TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    agent        TEXT    NOT NULL,
    number       TEXT    NOT NULL,
    region       TEXT    NOT NULL,
    target       INTEGER NOT NULL,
    weight       INTEGER NOT NULL,
    ring_timeout INTEGER NOT NULL, -- nanoseconds
    max_duration INTEGER NOT NULL, -- nanoseconds
    created_at   INTEGER,
    updated_at   INTEGER,
    scheduled_at INTEGER,
    admitted_at  INTEGER,
    paused_at    INTEGER,
    cancelled_at INTEGER,
    retry_count  INTEGER NOT NULL,
    queued       INTEGER NOT NULL,
    dispatched   INTEGER NOT NULL,
    started      INTEGER NOT NULL,
    completed    INTEGER NOT NULL,
    failed       INTEGER NOT NULL,
    cancelled    INTEGER NOT NULL,
    unplaced     INTEGER NOT NULL,
    rev          INTEGER NOT NULL,
    fresh        INTEGER NOT NULL, -- index of the first recipient that was never claimed
    idem_key     TEXT    NOT NULL,
    key_until    INTEGER,
    fingerprint  TEXT    NOT NULL
) STRICT;

CREATE UNIQUE INDEX batches_id ON batches (org, id);
CREATE INDEX batches_rev   ON batches (org, rev);
CREATE INDEX batches_agent ON batches (org, agent, id);
CREATE INDEX batches_open  ON batches (org, id) WHERE queued + dispatched + started > 0;
CREATE INDEX batches_key   ON batches (org, idem_key, id) WHERE idem_key <> '';

-- The id of a recipient is its batch's key * 65536 + its index, so that the recipients of a
-- batch lie together in their order and a claim walks the table itself.
CREATE TABLE recipients (
    id         INTEGER PRIMARY KEY,
    org        INTEGER NOT NULL,
    phone      TEXT    NOT NULL,
    status     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    call       TEXT    NOT NULL,
    end_reason INTEGER NOT NULL,
    error      TEXT    NOT NULL,
    updated_at INTEGER,
    rev        INTEGER NOT NULL
) STRICT;

CREATE INDEX recipients_rev ON recipients (org, rev);

-- Those that are queued again. The others that are queued need no index: they are
-- exactly the ones from batches.fresh on.
CREATE INDEX recipients_again ON recipients (id) WHERE status = 0 AND attempts > 0;

-- Apart from the recipients, because it can be a megabyte and never changes.
CREATE TABLE metadata (
    id   INTEGER PRIMARY KEY, -- the recipient's
    data BLOB NOT NULL
) STRICT;

CREATE TABLE calls (
    org           INTEGER NOT NULL,
    id            TEXT    NOT NULL,
    batch         INTEGER NOT NULL,
    idx           INTEGER NOT NULL, -- of the recipient
    attempt       INTEGER NOT NULL,
    status        INTEGER NOT NULL,
    owner         INTEGER NOT NULL, -- key of nodes
    carrier       TEXT    NOT NULL,
    caller        TEXT    NOT NULL,
    ref           TEXT    NOT NULL,
    dispatched_at INTEGER,
    rang_at       INTEGER,
    started_at    INTEGER,
    ended_at      INTEGER,
    hang_up_at    INTEGER,
    end_reason    INTEGER NOT NULL,
    unplaced      INTEGER NOT NULL,
    error         TEXT    NOT NULL,
    details       BLOB, -- see pairs.go
    PRIMARY KEY (org, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX calls_batch     ON calls (batch, id, idx);
CREATE INDEX calls_in_flight ON calls (org, id, owner) WHERE status IN (1, 2);
CREATE INDEX calls_hang_up   ON calls (org, id) WHERE status IN (1, 2) AND hang_up_at IS NOT NULL;

-- Every node that ever dialled from this file, one row for each start of an engine.
CREATE TABLE nodes (
    key        INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    regions    BLOB,    -- see pairs.go
    started_at INTEGER,
    expires_at INTEGER NOT NULL -- when its lease runs out, by the wall clock
) STRICT;

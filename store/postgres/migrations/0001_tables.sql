-- Texts are bytea: they may hold any bytes, NUL included, whatever the encoding of the database, and
-- sort by their bytes, so that no change of a collation can spoil an index. For reading them by hand:
-- SET bytea_output = 'escape'. Times are NULL where the thing has not happened. Statuses are package
-- fsm's numbers, end reasons those of reasons.go.
--
-- Every key begins with the organisation: org is made of its id, see org.go, so that no row of it has
-- to be looked up or counted elsewhere, and an engine that shards PostgreSQL has one column to go by.

CREATE TABLE outdial.schema_versions (
    version    integer     PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- Locked by whoever writes to anything of the organisation. No index has a column that a step
-- changes, so a new version of the row stays in its page (HOT), for which the page has room.
CREATE TABLE outdial.organisations (
    org       bigint  PRIMARY KEY,
    rev       bigint  NOT NULL, -- the last revision that was given out
    queued    bigint  NOT NULL, -- recipients of all its batches
    in_flight integer NOT NULL, -- calls; checked against calls_in_flight, see recount.go
    batches   integer NOT NULL, -- the number of its latest batch
    active    boolean NOT NULL, -- queued + in_flight > 0
    id        bytea   NOT NULL
) WITH (fillfactor = 25, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 10000);

CREATE INDEX organisations_active ON outdial.organisations (org) WHERE active;

-- What never or seldom changes of a batch. The rest is in tallies.
CREATE TABLE outdial.batches (
    org          bigint   NOT NULL,
    ring_timeout bigint   NOT NULL, -- nanoseconds
    max_duration bigint   NOT NULL, -- nanoseconds
    created_at   timestamptz,
    scheduled_at timestamptz,
    admitted_at  timestamptz,
    paused_at    timestamptz,
    cancelled_at timestamptz,
    key_until    timestamptz,
    batch        integer  NOT NULL, -- numbered from 1 in each organisation
    target       bigint   NOT NULL,
    first_target bigint   NOT NULL,
    weight       bigint   NOT NULL,
    retry_count  bigint   NOT NULL,
    status       smallint NOT NULL, -- derived from the tallies
    open         boolean  NOT NULL, -- it has recipients queued or calls in flight
    stray        boolean  NOT NULL, -- see batchlist.go
    id           bytea    NOT NULL,
    name         bytea    NOT NULL,
    agent        bytea    NOT NULL,
    number       bytea    NOT NULL,
    region       bytea    NOT NULL,
    idem_key     bytea    NOT NULL,
    retry_key    bytea    NOT NULL,
    fingerprint  bytea    NOT NULL,
    PRIMARY KEY (org, batch)
) WITH (fillfactor = 80);

CREATE UNIQUE INDEX batches_id           ON outdial.batches (org, id);
CREATE INDEX        batches_agent        ON outdial.batches (org, agent, id);
CREATE INDEX        batches_open         ON outdial.batches (org, id) WHERE open;
CREATE INDEX        batches_key          ON outdial.batches (org, idem_key, id) WHERE idem_key <> '';
CREATE INDEX        batches_status       ON outdial.batches (org, status, open, id);
CREATE INDEX        batches_agent_status ON outdial.batches (org, agent, status, open, id);
CREATE INDEX        batches_created      ON outdial.batches (org, created_at, id) WHERE NOT stray;
CREATE INDEX        batches_stray        ON outdial.batches (org, id) WHERE stray;

-- What each step changes of a batch, apart, so that the wide row and its indexes stay as they are.
CREATE TABLE outdial.tallies (
    org        bigint  NOT NULL,
    rev        bigint  NOT NULL,
    updated_at timestamptz,
    batch      integer NOT NULL,
    fresh      integer NOT NULL, -- index of the first recipient that was never claimed
    queued     integer NOT NULL,
    dispatched integer NOT NULL,
    started    integer NOT NULL,
    completed  integer NOT NULL,
    failed     integer NOT NULL,
    cancelled  integer NOT NULL,
    unplaced   integer NOT NULL,
    PRIMARY KEY (org, batch)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX tallies_rev ON outdial.tallies (org, rev);

-- The recipients of a batch lie together in their order. Each is rewritten twice for a call at least.
CREATE TABLE outdial.recipients (
    org        bigint   NOT NULL,
    rev        bigint   NOT NULL,
    updated_at timestamptz,
    batch      integer  NOT NULL,
    idx        integer  NOT NULL,
    attempts   integer  NOT NULL,
    status     smallint NOT NULL,
    end_reason smallint NOT NULL,
    phone      bytea    NOT NULL,
    call       bytea    NOT NULL,
    error      bytea    NOT NULL,
    PRIMARY KEY (org, batch, idx)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX recipients_rev ON outdial.recipients (org, rev);

-- Those that are queued again. The others that are queued need no index: they are
-- exactly the ones from tallies.fresh on.
CREATE INDEX recipients_again ON outdial.recipients (org, batch, idx) WHERE status = 0 AND attempts > 0;

-- Apart from the recipients, because it can be a megabyte and never changes.
CREATE TABLE outdial.metadata (
    org   bigint  NOT NULL,
    batch integer NOT NULL,
    idx   integer NOT NULL,
    data  bytea   NOT NULL, -- as it was given: jsonb would order keys, fold numbers and refuse NUL
    PRIMARY KEY (org, batch, idx)
);

-- That a call rings or connects changes no column that an index has, so it stays in its page.
CREATE TABLE outdial.calls (
    org           bigint   NOT NULL,
    dispatched_at timestamptz,
    rang_at       timestamptz,
    started_at    timestamptz,
    ended_at      timestamptz,
    hang_up_at    timestamptz,
    batch         integer  NOT NULL,
    idx           integer  NOT NULL, -- of the recipient
    attempt       integer  NOT NULL,
    owner         integer  NOT NULL, -- key of nodes
    status        smallint NOT NULL,
    end_reason    smallint NOT NULL,
    in_flight     boolean  NOT NULL, -- status is 1 or 2
    unplaced      boolean  NOT NULL,
    id            bytea    NOT NULL,
    carrier       bytea    NOT NULL,
    caller        bytea    NOT NULL,
    ref           bytea    NOT NULL,
    error         bytea    NOT NULL,
    tries         bytea    NOT NULL, -- see pack.go
    details       bytea    NOT NULL, -- see pack.go
    PRIMARY KEY (org, id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX calls_batch     ON outdial.calls (org, batch, id, idx);
CREATE INDEX calls_in_flight ON outdial.calls (org, id, owner) WHERE in_flight;
CREATE INDEX calls_hang_up   ON outdial.calls (org, id) WHERE in_flight AND hang_up_at IS NOT NULL;

-- Every node that ever dialled, one row for each start of an engine.
CREATE TABLE outdial.nodes (
    key        integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    id         bytea       NOT NULL UNIQUE,
    regions    bytea[],
    carriers   bytea[],
    shares     integer[],             -- of each of carriers, in their order
    started_at timestamptz,
    expires_at timestamptz NOT NULL -- when its lease runs out, by the database's clock
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE INDEX nodes_expiry ON outdial.nodes (expires_at);

INSERT INTO outdial.schema_versions (version) VALUES (1);

-- A call lives in flights until it is over, and then in calls, whose rows are written once. So a call costs two rows
-- that are made and one that goes, of which flights has so few that they stay in memory, and its recipient one that is
-- rewritten when it is over: who has a flight is what the flight says, whatever the recipient's own row does.

-- Each statement below sees what was committed before it began: a step between two of them would be in one's rows and not
-- in the other's. Whoever writes locks the organisation's row first, so nobody has begun to write behind the first lock.
LOCK TABLE outdial.organisations IN EXCLUSIVE MODE;
LOCK TABLE outdial.calls, outdial.recipients IN ACCESS EXCLUSIVE MODE;

CREATE TABLE outdial.flights (
    org           bigint   NOT NULL,
    rev           bigint   NOT NULL, -- the recipient's
    updated_at    timestamptz,       -- the recipient's
    dispatched_at timestamptz,
    rang_at       timestamptz,
    started_at    timestamptz,
    ended_at      timestamptz,
    hang_up_at    timestamptz,
    batch         integer  NOT NULL,
    idx           integer  NOT NULL, -- of the recipient
    attempt       integer  NOT NULL,
    owner         integer  NOT NULL, -- key of nodes
    status        smallint NOT NULL, -- 1 or 2
    end_reason    smallint NOT NULL,
    id            bytea    NOT NULL,
    carrier       bytea    NOT NULL,
    caller        bytea    NOT NULL,
    ref           bytea    NOT NULL,
    error         bytea    NOT NULL,
    tries         bytea    NOT NULL, -- see pack.go
    details       bytea    NOT NULL, -- see pack.go
    PRIMARY KEY (org, batch, idx)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000);

-- That a call rings or connects changes no column that an index has, so it stays in its page.
CREATE UNIQUE INDEX flights_id      ON outdial.flights (org, id);
CREATE INDEX        flights_hang_up ON outdial.flights (org, id) WHERE hang_up_at IS NOT NULL;

-- Those that are queued again, in the order in which they are claimed. The others that are queued need no table: they
-- are exactly the ones from tallies.fresh on.
CREATE TABLE outdial.again (
    org      bigint  NOT NULL,
    batch    integer NOT NULL,
    attempts integer NOT NULL,
    idx      integer NOT NULL,
    PRIMARY KEY (org, batch, attempts, idx)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);

-- As in 0002_statistics.sql.
ALTER TABLE outdial.flights ALTER COLUMN org SET (n_distinct = 1), ALTER COLUMN batch SET (n_distinct = 1),
    ALTER COLUMN idx SET (n_distinct = -1), ALTER COLUMN id SET (n_distinct = -1);
ALTER TABLE outdial.again   ALTER COLUMN org SET (n_distinct = 1), ALTER COLUMN batch SET (n_distinct = 1),
    ALTER COLUMN attempts SET (n_distinct = 1), ALTER COLUMN idx SET (n_distinct = -1);
INSERT INTO outdial.flights (org, rev, batch, idx, attempt, owner, status, end_reason, id, carrier, caller, ref, error, tries,
    details, hang_up_at) VALUES (0, 0, 0, 0, 0, 0, 0, 0, '', '', '', '', '', '', '', now());
INSERT INTO outdial.again (org, batch, attempts, idx) VALUES (0, 0, 0, 0);
ANALYZE outdial.flights, outdial.again;
TRUNCATE outdial.flights, outdial.again;

INSERT INTO outdial.again (org, batch, attempts, idx)
    SELECT org, batch, attempts, idx FROM outdial.recipients WHERE status = 0 AND attempts > 0;

INSERT INTO outdial.flights (org, rev, updated_at, dispatched_at, rang_at, started_at, ended_at, hang_up_at, batch, idx, attempt,
        owner, status, end_reason, id, carrier, caller, ref, error, tries, details)
    SELECT c.org, r.rev, r.updated_at, c.dispatched_at, c.rang_at, c.started_at, c.ended_at, c.hang_up_at, c.batch, c.idx, c.attempt,
        c.owner, c.status, c.end_reason, c.id, c.carrier, c.caller, c.ref, c.error, c.tries, c.details
    FROM outdial.calls c JOIN outdial.recipients r USING (org, batch, idx) WHERE c.in_flight;
DELETE FROM outdial.calls WHERE in_flight;
UPDATE outdial.recipients SET status = 0, call = '' WHERE status IN (1, 2);

DROP INDEX outdial.recipients_again;
DROP INDEX outdial.calls_in_flight;
DROP INDEX outdial.calls_hang_up;
ALTER TABLE outdial.calls DROP COLUMN in_flight;

-- It means something else from here on: how the recipient stands while no call is in flight. Under the old name a process
-- of an older version that was not stopped would retry and cancel by it, without a word to the table of those queued again.
ALTER TABLE outdial.recipients RENAME COLUMN status TO rest;

-- A call whose id was not made when it was dispatched, give or take a millisecond, see calls.go. Of the 22 digits in base
-- 62 that are a number of 130 bits, the first nine tell its upper 48, the milliseconds, to within 0.05: they are multiplied
-- by 62^13 / 2^82. Where one of them is none, all of it is NULL.
ALTER TABLE outdial.calls ADD COLUMN stray boolean NOT NULL DEFAULT false;
UPDATE outdial.calls SET stray = true WHERE (length(id) = 27 AND substr(id, 1, 5) = 'call_'
    AND (SELECT 0.041364932410086405::float8 * (
            (nullif(position(substr(id, 6, 1) IN digits), 0) - 1) * 218340105584896
            + (nullif(position(substr(id, 7, 1) IN digits), 0) - 1) * 3521614606208
            + (nullif(position(substr(id, 8, 1) IN digits), 0) - 1) * 56800235584
            + (nullif(position(substr(id, 9, 1) IN digits), 0) - 1) * 916132832::bigint
            + (nullif(position(substr(id, 10, 1) IN digits), 0) - 1) * 14776336
            + (nullif(position(substr(id, 11, 1) IN digits), 0) - 1) * 238328
            + (nullif(position(substr(id, 12, 1) IN digits), 0) - 1) * 3844
            + (nullif(position(substr(id, 13, 1) IN digits), 0) - 1) * 62
            + (nullif(position(substr(id, 14, 1) IN digits), 0) - 1))
        FROM (SELECT '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'::bytea AS digits) d
    ) - extract(epoch FROM date_trunc('milliseconds', dispatched_at))::float8 * 1000 BETWEEN -0.9 AND 1.9) IS NOT TRUE;
ALTER TABLE outdial.calls ALTER COLUMN stray DROP DEFAULT;
CREATE INDEX calls_stray ON outdial.calls (org, id) WHERE stray;
ALTER TABLE outdial.calls SET (fillfactor = 100);

-- The oldest version that can work with the schema after the migration. NULL: the one that the migration came with.
ALTER TABLE outdial.schema_versions ADD COLUMN usable_from integer;

INSERT INTO outdial.schema_versions (version, usable_from) VALUES (4, 4);

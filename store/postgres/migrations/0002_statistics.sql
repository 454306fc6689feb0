-- A plan is made once for a connection and then kept, often while the tables are still empty. What it
-- is made from must therefore be right from the beginning, and for the organisation that has nearly
-- everything as well as for one of thousands. So the planner is told that an organisation, and a batch of
-- recipients, may be all of a table: then it uses every column of a key that it can. And it is told that what lists
-- are filtered by does select, also where the first rows all have the same. It learns so from the first
-- row that it analyses; after that the tables are as new.

ALTER TABLE outdial.batches    ALTER COLUMN org SET (n_distinct = 1), ALTER COLUMN agent SET (n_distinct = -0.05),
    ALTER COLUMN status SET (n_distinct = 5), ALTER COLUMN idem_key SET (n_distinct = -1);
ALTER TABLE outdial.tallies    ALTER COLUMN org SET (n_distinct = 1), ALTER COLUMN batch SET (n_distinct = -1);
ALTER TABLE outdial.recipients ALTER COLUMN org SET (n_distinct = 1), ALTER COLUMN batch SET (n_distinct = 1),
    ALTER COLUMN idx SET (n_distinct = -1);
ALTER TABLE outdial.metadata   ALTER COLUMN org SET (n_distinct = 1), ALTER COLUMN batch SET (n_distinct = 1),
    ALTER COLUMN idx SET (n_distinct = -1);
ALTER TABLE outdial.calls      ALTER COLUMN org SET (n_distinct = 1), ALTER COLUMN id SET (n_distinct = -1),
    ALTER COLUMN batch SET (n_distinct = -0.05);

INSERT INTO outdial.batches (org, ring_timeout, max_duration, batch, target, first_target, weight, retry_count, status, open,
    stray, id, name, agent, number, region, idem_key, retry_key, fingerprint, created_at)
    VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0, true, false, '', '', '', '', '', 'x', '', '', now());
INSERT INTO outdial.tallies (org, rev, batch, fresh, queued, dispatched, started, completed, failed, cancelled, unplaced)
    VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
INSERT INTO outdial.recipients (org, rev, batch, idx, attempts, status, end_reason, phone, call, error)
    VALUES (0, 0, 0, 0, 1, 0, 0, '', '', '');
INSERT INTO outdial.metadata (org, batch, idx, data) VALUES (0, 0, 0, '');
INSERT INTO outdial.calls (org, batch, idx, attempt, owner, status, end_reason, in_flight, unplaced, id, carrier, caller, ref,
    error, tries, details, hang_up_at)
    VALUES (0, 0, 0, 0, 0, 0, 0, true, false, '', '', '', '', '', '', '', now());

ANALYZE outdial.batches, outdial.tallies, outdial.recipients, outdial.metadata, outdial.calls;
TRUNCATE outdial.batches, outdial.tallies, outdial.recipients, outdial.metadata, outdial.calls;

INSERT INTO outdial.schema_versions (version) VALUES (2);

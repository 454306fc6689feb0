-- What lists of batches are filtered by. A batch's status is derived from its counts as package fsm
-- does it: by number, 0 pending, 1 in progress, 2 completed, 3 failed, 4 cancelled. It is open while
-- it has recipients queued or calls in flight.

ALTER TABLE batches ADD COLUMN status INTEGER GENERATED ALWAYS AS (CASE
    WHEN cancelled > 0 THEN 4
    WHEN dispatched + started + completed + failed + cancelled = 0 THEN 0
    WHEN unplaced = queued + dispatched + started + completed + failed + cancelled THEN 3
    WHEN queued = 0 THEN 2
    ELSE 1 END) VIRTUAL;
ALTER TABLE batches ADD COLUMN open INTEGER GENERATED ALWAYS AS (queued + dispatched + started > 0) VIRTUAL;

CREATE INDEX batches_status       ON batches (org, status, open, id);
CREATE INDEX batches_agent_status ON batches (org, agent, status, open, id);

-- A list runs by id, and a filter by time is turned into bounds of ids. That is right for batches
-- whose ids and times, to the millisecond, are in the same order, as the ids of package store are.
-- Those that break this order are strays, and are looked for one by one.

ALTER TABLE batches ADD COLUMN stray INTEGER NOT NULL DEFAULT 0;

UPDATE batches SET stray = 1 WHERE key IN (
    SELECT key FROM (
        SELECT key, created_at / 1000 AS ms, max(created_at / 1000) OVER (
            PARTITION BY org ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS latest
        FROM batches)
    WHERE ms IS NULL OR ms < latest);

CREATE INDEX batches_created ON batches (org, created_at / 1000, id) WHERE stray = 0;
CREATE INDEX batches_stray   ON batches (org, id) WHERE stray = 1;

CREATE TRIGGER batches_stray AFTER INSERT ON batches
WHEN NEW.created_at IS NULL
    OR NEW.id > (SELECT id FROM batches INDEXED BY batches_created
        WHERE stray = 0 AND org = NEW.org AND created_at / 1000 > NEW.created_at / 1000
        ORDER BY created_at / 1000, id LIMIT 1)
    OR NEW.id < (SELECT id FROM batches INDEXED BY batches_created
        WHERE stray = 0 AND org = NEW.org AND created_at / 1000 < NEW.created_at / 1000
        ORDER BY created_at / 1000 DESC, id DESC LIMIT 1)
BEGIN
    UPDATE batches SET stray = 1 WHERE key = NEW.key;
END;

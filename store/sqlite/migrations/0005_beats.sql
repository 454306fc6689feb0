-- The number of a node's latest heartbeat, and whether it ever owned a call. Of those that there are it is not known, so
-- they stay.

ALTER TABLE nodes ADD COLUMN beat INTEGER NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN dialled INTEGER NOT NULL DEFAULT 1;

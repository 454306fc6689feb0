-- The number of a node's latest heartbeat, and whether it ever owned a call. The rows of older versions, which set
-- neither, count each heartbeat as it arrives and stay.

ALTER TABLE outdial.nodes ADD COLUMN beat bigint NOT NULL DEFAULT 0, ADD COLUMN dialled boolean NOT NULL DEFAULT true;

INSERT INTO outdial.schema_versions (version) VALUES (3);

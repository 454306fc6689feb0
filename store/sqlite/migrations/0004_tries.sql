-- The carriers that were given a call before the one that has it, packed as in tries.go, and those
-- that a node can place calls over, with the share of each. NULL: none.

ALTER TABLE calls ADD COLUMN tries BLOB;
ALTER TABLE nodes ADD COLUMN carriers BLOB;
ALTER TABLE nodes ADD COLUMN shares BLOB;

-- What a batch's target was when it was created, and the key of its latest retry that had one. What
-- the target of an older batch was at first is not known any more: its present one stands for it.

ALTER TABLE batches ADD COLUMN first_target INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN retry_key TEXT NOT NULL DEFAULT '';

UPDATE batches SET first_target = target;

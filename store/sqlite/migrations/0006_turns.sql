-- Claims take those with the fewest attempts first: of one batch, the key of which is id >> 16, the index has those that
-- are queued again in that order, and then by their ids.

DROP INDEX recipients_again;

CREATE INDEX recipients_again ON recipients (id >> 16, attempts) WHERE status = 0 AND attempts > 0;

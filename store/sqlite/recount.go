package sqlite

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/outdial/outdial/fsm"
)

// counted is what a batch says of itself and what its calls say.
type counted struct {
	batch, org               int64
	id                       string
	dispatched, started      int
	callsDispatched, callsUp int
}

// The calls in flight, by batch, beside the counters of the batches that are open or have any.
const selectCounted = `WITH up AS (
		SELECT batch, sum(status = 1) AS dispatched, sum(status = 2) AS started
		FROM calls INDEXED BY calls_in_flight WHERE status IN (1, 2) GROUP BY batch),
	open AS (
		SELECT key FROM batches INDEXED BY batches_open WHERE queued + dispatched + started > 0
		UNION SELECT batch FROM up)
	SELECT b.key, b.org, b.id, b.dispatched, b.started, ifnull(up.dispatched, 0), ifnull(up.started, 0)
	FROM open JOIN batches b ON b.key = open.key LEFT JOIN up ON up.batch = b.key`

// recount checks the counters against the rows of calls in flight, which are the truth, when
// a node takes the lock. It costs what is open, not what is over.
func recount(ctx context.Context, c *connection, log *slog.Logger) error {
	c.forgetOrgs()
	rows, err := c.query(ctx, selectCounted)
	batches, err := collect(rows, err, func(scan func(...any) error) (n counted, err error) {
		err = scan(&n.batch, &n.org, &n.id, &n.dispatched, &n.started, &n.callsDispatched, &n.callsUp)
		return n, err
	})
	if err != nil {
		return fmt.Errorf("count calls in flight: %w", err)
	}
	for _, n := range batches {
		if n.dispatched == n.callsDispatched && n.started == n.callsUp {
			continue
		}
		log.Warn("sqlite: the counters of a batch were wrong and are counted again", "batch", n.id,
			"dispatched", n.dispatched, "calls_dispatched", n.callsDispatched,
			"started", n.started, "calls_started", n.callsUp)
		if err := recountBatch(ctx, c, n.batch); err != nil {
			return err
		}
	}
	return recountOrgs(ctx, c, log)
}

// A failed recipient without a call is one for whom no call was placed.
const selectRecipientCounts = `SELECT status, count(*), sum(status = 4 AND call = '')
	FROM recipients WHERE id >= ?1 << 16 AND id < (?1 + 1) << 16 GROUP BY status`

func recountBatch(ctx context.Context, c *connection, key int64) error {
	var n fsm.Counts
	rows, err := c.query(ctx, selectRecipientCounts, key)
	_, err = collect(rows, err, func(scan func(...any) error) (none struct{}, err error) {
		var status uint8
		var count, unplaced int
		err = scan(&status, &count, &unplaced)
		n.Add(fsm.RecipientStatus(status), count)
		n.Unplaced += unplaced
		return none, err
	})
	if err != nil {
		return fmt.Errorf("count recipients: %w", err)
	}
	_, err = c.exec(ctx, `UPDATE batches SET queued = ?2, dispatched = ?3, started = ?4, completed = ?5,
		failed = ?6, cancelled = ?7, unplaced = ?8 WHERE key = ?1`,
		key, n.Queued, n.Dispatched, n.Started, n.Completed, n.Failed, n.Cancelled, n.Unplaced)
	if err != nil {
		return fmt.Errorf("write counters: %w", err)
	}
	return nil
}

// What the open batches of an organisation and its calls in flight sum up to, for those
// that say otherwise of themselves.
const updateOrgCounts = `WITH waiting AS (
		SELECT org, sum(queued) AS n FROM batches INDEXED BY batches_open
		WHERE queued + dispatched + started > 0 GROUP BY org),
	up AS (
		SELECT org, count(*) AS n FROM calls INDEXED BY calls_in_flight WHERE status IN (1, 2) GROUP BY org),
	truth AS (
		SELECT o.key, ifnull(waiting.n, 0) AS queued, ifnull(up.n, 0) AS in_flight
		FROM organisations o LEFT JOIN waiting ON waiting.org = o.key LEFT JOIN up ON up.org = o.key)
	UPDATE organisations SET queued = truth.queued, in_flight = truth.in_flight FROM truth
	WHERE organisations.key = truth.key
		AND (organisations.queued <> truth.queued OR organisations.in_flight <> truth.in_flight)`

func recountOrgs(ctx context.Context, c *connection, log *slog.Logger) error {
	done, err := c.exec(ctx, updateOrgCounts)
	if err != nil {
		return fmt.Errorf("counters of organisations: %w", err)
	}
	n, err := done.RowsAffected()
	if err != nil {
		return fmt.Errorf("counters of organisations: %w", err)
	}
	if n > 0 {
		log.Warn("sqlite: the counters of organisations were wrong and are counted again", "organisations", n)
	}
	return nil
}

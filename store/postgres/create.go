package postgres

import (
	"context"
	"errors"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// indexLimit is above every index of a recipient, as in the ids of package store.
const indexLimit = 1 << 16

var errTooMany = errors.New("too many recipients")

// CreateBatch implements [store.Store].
func (s *Store) CreateBatch(ctx context.Context, b store.Batch, recipients []store.NewRecipient) (store.Batch, error) {
	if len(recipients) >= indexLimit {
		return store.Batch{}, failed("create batch", b.ID, errTooMany)
	}
	var out store.Batch
	err := s.writing(ctx, b.Org, func(ctx context.Context, w *work) (err error) {
		s.known.doubt(orgKey(b.Org))
		c := &creation{work: w, batch: &batch{Batch: b}, recipients: recipients}
		out, err = c.run(ctx)
		return err
	})
	if err != nil {
		return store.Batch{}, failed("create batch", b.ID, err)
	}
	s.announcer.changed(b.Org)
	return out, nil
}

// creation is one CreateBatch on its way.
type creation struct {
	*work

	batch      *batch
	recipients []store.NewRecipient
	org        *org
	old        *batch // the batch that is returned instead of making one, nil for none
	stray      bool
}

const (
	selectSameKey = "SELECT " + batchColumns + batchTables + `
	WHERE b.org = $1 AND b.idem_key = $2 AND b.idem_key <> '' AND (b.key_until IS NULL OR b.key_until > $3)
	ORDER BY b.id DESC LIMIT 1`

	// A batch whose id and time are in another order than those of the others, see batchlist.go.
	selectStray = `SELECT $3::timestamptz IS NULL
		OR coalesce($2 > (SELECT id FROM outdial.batches WHERE org = $1 AND NOT stray AND created_at > $3
			ORDER BY created_at, id LIMIT 1), false)
		OR coalesce($2 < (SELECT id FROM outdial.batches WHERE org = $1 AND NOT stray AND created_at < $3
			ORDER BY created_at DESC, id DESC LIMIT 1), false)`
)

func (c *creation) run(ctx context.Context) (store.Batch, error) {
	in, t := &c.batch.Batch, c.begin(beginWrite)
	t.ask(makeOrg, orgKey(in.Org), raw(in.Org))
	c.org = t.lock(in.Org)
	if in.Key != "" {
		t.batch(&c.old, c.org, in.Org, selectSameKey, raw(in.Key), moment(in.CreatedAt))
	}
	t.batch(&c.old, c.org, in.Org, selectBatch, raw(in.ID)) // the last one found counts
	t.find(nil, selectStray, []any{c.org.key, raw(in.ID), moment(in.CreatedAt)}, []any{&c.stray})
	if err := c.send(ctx, t); err != nil {
		return store.Batch{}, err
	}
	if err := c.org.check(in.Org); err != nil {
		return store.Batch{}, err
	}
	t = c.trip()
	if c.old != nil {
		return c.old.Batch, c.finish(ctx, t)
	}
	c.insert(t)
	return c.batch.Batch, c.finish(ctx, t)
}

func (c *creation) insert(t *trip) {
	b, o := c.batch, c.org
	first := o.rev + 1
	o.rev += int64(len(c.recipients))
	b.Counts = fsm.Counts{Queued: len(c.recipients)}
	b.Rev = o.next()
	o.add(fsm.Queued, len(c.recipients))
	o.batches++
	b.key = o.batches
	c.insertBatch(t)
	c.insertRecipients(t, first)
	c.insertMetadata(t)
	o.save(t)
}

const (
	insertBatch = `INSERT INTO outdial.batches (org, batch, id, name, agent, number, region, target, first_target, weight,
		ring_timeout, max_duration, created_at, scheduled_at, admitted_at, paused_at, cancelled_at, retry_count,
		idem_key, key_until, retry_key, fingerprint, status, open, stray)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
			$21, $22, $23, $24, $25)`

	insertTally = `INSERT INTO outdial.tallies (org, batch, rev, updated_at, fresh, queued, dispatched, started, completed,
		failed, cancelled, unplaced) VALUES ($1, $2, $3, $4, 0, $5, 0, 0, 0, 0, 0, 0)`

	insertRecipients = `INSERT INTO outdial.recipients (org, batch, idx, rev, updated_at, phone,
		rest, attempts, call, end_reason, error)
		SELECT $1, $2, v.place - 1, $3 + v.place - 1, $4, v.phone, 0, 0, '', 0, ''
		FROM unnest($5::bytea[]) WITH ORDINALITY AS v (phone, place)`

	// Both lists in the list of columns, as the server would keep the rows of a table that is made of them.
	insertMetadata = `INSERT INTO outdial.metadata (org, batch, idx, data)
		SELECT $1, $2, unnest($3::integer[]), unnest($4::bytea[])`
)

func (c *creation) insertBatch(t *trip) {
	b, h := c.batch, c.batch.head()
	t.ask(insertBatch, c.org.key, b.key, raw(b.ID), raw(b.Name), raw(b.AgentID), raw(b.NumberID), raw(b.Region),
		b.Target, b.FirstTarget, b.Weight, int64(b.RingTimeout), int64(b.MaxDuration), moment(b.CreatedAt),
		moment(b.ScheduledAt), moment(b.AdmittedAt), moment(b.PausedAt), moment(b.CancelledAt), b.RetryCount,
		raw(b.Key), moment(b.KeyUntil), raw(b.RetryKey), raw(b.Fingerprint), h.status, h.open, c.stray)
	t.ask(insertTally, c.org.key, b.key, b.Rev, moment(b.UpdatedAt), len(c.recipients))
}

func (c *creation) insertRecipients(t *trip, first int64) {
	phones := column(c.recipients, func(r store.NewRecipient) blob { return raw(r.To) })
	t.ask(insertRecipients, c.org.key, c.batch.key, first, moment(c.batch.UpdatedAt), phones)
}

// metadataBytes is about how much one statement carries: a message to the server has an end.
const metadataBytes = 4 << 20

// insertMetadata adds a row for each recipient that has any.
func (c *creation) insertMetadata(t *trip) {
	var indexes array[number]
	var data array[blob]
	size := 0
	flush := func() {
		if len(data) > 0 {
			t.ask(insertMetadata, c.org.key, c.batch.key, indexes, data)
		}
		indexes, data, size = nil, nil, 0
	}
	for i, r := range c.recipients {
		if len(r.Metadata) == 0 {
			continue
		}
		indexes, data = append(indexes, number(i)), append(data, blob(r.Metadata))
		if size += len(r.Metadata); size >= metadataBytes {
			flush()
		}
	}
	flush()
}

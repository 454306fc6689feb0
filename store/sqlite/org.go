package sqlite

import (
	"context"
	"fmt"

	"github.com/outdial/outdial/fsm"
)

// org is an organisation inside a write: its row, changed in memory until save, and what is known of its batches and
// calls.
type org struct {
	id       string
	key      int64
	rev      int64
	queued   int
	inFlight int

	batches map[string]*batch    // by id, that are open
	calls   map[string]callState // by id, that are in flight
}

// loadOrg returns nil for an organisation that never had a batch.
func loadOrg(ctx context.Context, c *connection, id string) (*org, error) {
	if o := c.known.take(id); o != nil {
		return o, nil
	}
	o := &org{id: id}
	found, err := c.find(ctx, "SELECT key, rev, queued, in_flight FROM organisations WHERE id = ?",
		[]any{id}, []any{&o.key, &o.rev, &o.queued, &o.inFlight})
	if err != nil {
		return nil, fmt.Errorf("organisation %s: %w", id, err)
	}
	if !found {
		return nil, nil //nolint:nilnil // there is none, which is no error
	}
	c.known.taken = append(c.known.taken, o)
	return o, nil
}

func makeOrg(ctx context.Context, c *connection, id string) (*org, error) {
	if o, err := loadOrg(ctx, c, id); o != nil || err != nil {
		return o, err
	}
	made, err := c.exec(ctx, "INSERT INTO organisations (id, rev, queued, in_flight) VALUES (?, 0, 0, 0)", id)
	if err != nil {
		return nil, fmt.Errorf("new organisation %s: %w", id, err)
	}
	key, err := made.LastInsertId()
	if err != nil {
		return nil, fmt.Errorf("new organisation %s: %w", id, err)
	}
	o := &org{id: id, key: key}
	c.known.taken = append(c.known.taken, o)
	return o, nil
}

func (o *org) save(ctx context.Context, c *connection) error {
	_, err := c.exec(ctx, "UPDATE organisations SET rev = ?2, queued = ?3, in_flight = ?4 WHERE key = ?1",
		o.key, o.rev, o.queued, o.inFlight)
	if err != nil {
		return fmt.Errorf("counters of the organisation: %w", err)
	}
	return nil
}

// next gives out a revision.
func (o *org) next() int64 { return o.take(1) }

// take gives out n revisions that follow each other, and returns the first.
func (o *org) take(n int) int64 {
	first := o.rev + 1
	o.rev += int64(n)
	return first
}

// move counts n recipients of a batch that went from one status to another.
func (o *org) move(b *batch, from, to fsm.RecipientStatus, n int) {
	b.Counts.Add(from, -n)
	b.Counts.Add(to, n)
	o.add(from, -n)
	o.add(to, n)
}

func (o *org) add(s fsm.RecipientStatus, n int) {
	switch {
	case s == fsm.Queued:
		o.queued += n
	case s.InFlight():
		o.inFlight += n
	}
}

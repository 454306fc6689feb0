package postgres

import (
	"context"
	"slices"

	"github.com/outdial/outdial/store"
)

// Call implements [store.Store].
func (s *Store) Call(ctx context.Context, org, id string) (store.Call, error) {
	var out []store.Call
	err := s.reading(ctx, org, func(t *trip) {
		out = nil
		t.each(func(scan func(...any) error) error {
			c, err := scanCall(scan, org)
			out = append(out, c)
			return err
		}, selectCall, orgKey(org), raw(org), raw(id))
	})
	if err == nil && len(out) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Call{}, failed("call", id, err)
	}
	return out[0], nil
}

// Calls implements [store.Store].
func (s *Store) Calls(ctx context.Context, q store.CallQuery) ([]store.Call, error) {
	text, args := callsQuery(q)
	var out []store.Call
	err := s.reading(ctx, q.Org, func(t *trip) {
		out = nil
		each(t.queue.Queue(s.schema.in(text), args...), func(scan func(...any) error) error {
			c, err := scanCall(scan, q.Org)
			out = append(out, c)
			return err
		})
	})
	if err != nil {
		return nil, failed("calls of", q.Org, err)
	}
	if q.Before != "" {
		slices.Reverse(out)
	}
	return out, nil
}

// callsQuery walks an index of calls, and joins what it has found to their parents.
func callsQuery(q store.CallQuery) (text string, values []any) {
	a := newArgs(q.Org)
	w := a.where()
	w.and("c.org = " + ofOrg)
	if q.BatchID != "" {
		w.and("c.batch = "+ofBatch, raw(q.BatchID))
	}
	if q.Recipient != nil {
		w.and("c.idx = ?", *q.Recipient)
	}
	if q.InFlight {
		w.and("c.in_flight")
	}
	if q.HangUp {
		w.and("c.hang_up_at IS NOT NULL")
	}
	if q.Owner != "" {
		w.and("c.owner = (SELECT n.key FROM outdial.nodes n WHERE n.id = ?)", raw(q.Owner))
	}
	if q.AgentID != "" { // asked of each call, or the walk would be over the agent's batches
		w.and("(SELECT b.agent FROM outdial.batches b WHERE b.org = c.org AND b.batch = c.batch) = ?", raw(q.AgentID))
	}
	if !q.DispatchedFrom.IsZero() {
		w.and("c.dispatched_at >= ?", momentUp(q.DispatchedFrom))
	}
	if !q.DispatchedTo.IsZero() {
		w.and("(c.dispatched_at IS NULL OR c.dispatched_at <= ?)", moment(q.DispatchedTo))
	}
	order := w.page("c.id", q.After, q.Before)
	found := "SELECT " + callOwn + " FROM outdial.calls c" + w.text.String() + order + a.limit(q.Limit)
	return "SELECT " + callColumns + " FROM (" + found + ") c" + callParents + order, *a
}

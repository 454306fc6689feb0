package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/outdial/outdial/store"
)

// Call implements [store.Store].
func (s *Store) Call(ctx context.Context, org, id string) (store.Call, error) {
	r := callRow{call: store.Call{Org: org}}
	err := s.readers.read(ctx, org, func(from querier) error {
		return from.QueryRowContext(ctx,
			"SELECT "+callColumns+" FROM calls c"+callParents+" WHERE c.org = "+orgKey+" AND c.id = ?",
			org, id).Scan(r.columns()...)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return store.Call{}, failed("call", id, store.ErrNotFound)
	}
	if err != nil {
		return store.Call{}, s.unread("call", id, err)
	}
	c, err := r.value()
	if err != nil {
		return store.Call{}, failed("call", id, err)
	}
	return c, nil
}

// Calls implements [store.Store].
func (s *Store) Calls(ctx context.Context, q store.CallQuery) ([]store.Call, error) {
	text, args, turned := callsQuery(q)
	var out []store.Call
	err := s.readers.read(ctx, q.Org, func(from querier) error {
		rows, err := from.QueryContext(ctx, text, args...)
		out, err = collect(rows, err, func(scan func(...any) error) (store.Call, error) {
			r := callRow{call: store.Call{Org: q.Org}}
			if err := scan(r.columns()...); err != nil {
				return store.Call{}, err
			}
			return r.value()
		})
		return err
	})
	if err != nil {
		return nil, s.unread("calls of", q.Org, err)
	}
	if turned {
		slices.Reverse(out)
	}
	return out, nil
}

func callsQuery(q store.CallQuery) (text string, args []any, turned bool) {
	w := &where{}
	w.and("c.org = "+orgKey, q.Org)
	index := ""
	if q.BatchID != "" {
		index = " INDEXED BY calls_batch"
		w.and("c.batch = (SELECT key FROM batches WHERE org = "+orgKey+" AND id = ?)", q.Org, q.BatchID)
	}
	if q.Recipient != nil {
		w.and("c.idx = ?", *q.Recipient)
	}
	if q.InFlight {
		index = " INDEXED BY calls_in_flight"
		w.and("c.status IN (1, 2)")
	}
	if q.HangUp {
		w.and("c.hang_up_at IS NOT NULL")
	}
	if q.HangUp && q.InFlight {
		index = " INDEXED BY calls_hang_up"
	}
	if q.Owner != "" {
		w.and("c.owner = (SELECT key FROM nodes WHERE id = ?)", q.Owner)
	}
	if q.AgentID != "" {
		w.and("b.agent = ?", q.AgentID)
	}
	if !q.DispatchedFrom.IsZero() {
		w.and("c.dispatched_at >= ?", micros(q.DispatchedFrom))
	}
	if !q.DispatchedTo.IsZero() {
		w.and("(c.dispatched_at IS NULL OR c.dispatched_at <= ?)", micros(q.DispatchedTo))
	}
	order, turned := w.page("c.id", q.After, q.Before)
	return "SELECT " + callColumns + " FROM calls c" + index + callParents + w.text.String() + order + " LIMIT ?",
		append(w.args, limit(q.Limit)), turned
}

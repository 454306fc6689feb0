package sqlite

import (
	"cmp"
	"context"
	"slices"

	"github.com/outdial/outdial/store"
)

// Call implements [store.Store].
func (s *Store) Call(ctx context.Context, org, id string) (store.Call, error) {
	r := callRow{call: store.Call{Org: org}}
	var found bool
	err := s.readers.read(ctx, org, func(from *connection) (err error) {
		found, err = from.find(ctx,
			"SELECT "+callColumns+" FROM calls c"+callParents+" WHERE c.org = "+orgKey+" AND c.id = ?",
			[]any{org, id}, r.columns())
		return err
	})
	if err != nil {
		return store.Call{}, s.unread("call", id, err)
	}
	if !found {
		return store.Call{}, failed("call", id, store.ErrNotFound)
	}
	c, err := r.value()
	if err != nil {
		return store.Call{}, failed("call", id, err)
	}
	return c, nil
}

// Calls implements [store.Store].
func (s *Store) Calls(ctx context.Context, q store.CallQuery) ([]store.Call, error) {
	out, err := s.calls(ctx, q)
	if err != nil {
		return nil, s.unread("calls of", q.Org, err)
	}
	slices.SortFunc(out, func(a, b store.Call) int { return cmp.Compare(b.ID, a.ID) })
	return out, nil
}

func (s *Store) calls(ctx context.Context, q store.CallQuery) (out []store.Call, err error) {
	if !byAgentOrTime(q) {
		text, args := callsQuery(q)
		err = s.readers.read(ctx, q.Org, func(from *connection) error {
			out, err = queryCalls(ctx, from, q.Org, text, args)
			return err
		})
		return out, err
	}
	l := newCallList(q)
	err = s.view(ctx, q.Org, func(tx *connection) error {
		out, err = l.find(ctx, tx)
		return err
	})
	return out, err
}

// queryCalls reads rows of callColumns.
func queryCalls(ctx context.Context, from querier, org, text string, args []any) ([]store.Call, error) {
	rows, err := from.query(ctx, text, args...)
	return collect(rows, err, func(scan func(...any) error) (store.Call, error) {
		r := callRow{call: store.Call{Org: org}}
		if err := scan(r.columns()...); err != nil {
			return store.Call{}, err
		}
		return r.value()
	})
}

func callsQuery(q store.CallQuery) (text string, args []any) {
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
	during(w, "c.", q)
	order := w.page("c.id", q.After, q.Before)
	return "SELECT " + callColumns + " FROM calls c" + index + callParents + w.text.String() + order + " LIMIT ?",
		append(w.args, limit(q.Limit))
}

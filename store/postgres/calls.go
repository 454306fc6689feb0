package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/internal/callids"
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

// callList is how a query for calls is answered: by a walk over those in flight, of which there are few, and by walks
// over indexes that have those that are over in the order of the list. Each stops when it has a page.
//
// A filter by time is turned into bounds of ids, which begin with the time of their making, and that is when
// the call was dispatched. Calls of which this is not so are strays, and are looked at one by one.
type callList struct {
	*args

	q        store.CallQuery
	order    string // of the walks
	page     string
	from, to string // ids of the time asked for, from included, to not; empty: no bound
}

func callsQuery(q store.CallQuery) (text string, values []any) {
	l := &callList{args: newArgs(q.Org), q: q, order: " ORDER BY c.id DESC"}
	if q.Before != "" { // the page just before an id is walked towards the newer ones
		l.order = " ORDER BY c.id"
	}
	l.page = l.limit(q.Limit)
	if !q.DispatchedFrom.IsZero() {
		l.from, _ = callids.Around(q.DispatchedFrom)
	}
	if !q.DispatchedTo.IsZero() {
		_, l.to = callids.Around(q.DispatchedTo)
	}
	walks := []string{"SELECT " + callOwn + " FROM outdial.flights c" + l.walk("c.org = "+ofOrg).ofAgent().text.String()}
	if !q.InFlight {
		walks = append(walks, l.over()...)
	}
	for i, w := range walks {
		walks[i] = "(" + w + l.order + l.page + ")"
	}
	found := strings.Join(walks, " UNION ALL ")
	return "SELECT " + callColumns + " FROM (SELECT " + callOver + " FROM (" + found + ") c" + l.order + l.page + ") c" +
		callParents + l.order, *l.args
}

// over are the walks over calls.
func (l *callList) over() []string {
	var text string
	columns := "SELECT " + callOver
	if l.q.AgentID == "" || l.q.BatchID != "" {
		w := l.within(l.walk("c.org = " + ofOrg))
		text = columns + " FROM outdial.calls c" + w.ofAgent().text.String()
	} else {
		text = l.agents(columns)
	}
	if l.from == "" && l.to == "" {
		return []string{text}
	}
	w := l.walk("c.org = " + ofOrg)
	w.and("c.stray")
	switch {
	case l.from == "":
		w.and("c.id >= ?", raw(l.to))
	case l.to == "":
		w.and("c.id < ?", raw(l.from))
	default:
		w.and("(c.id < ? OR c.id >= ?)", raw(l.from), raw(l.to))
	}
	return []string{text, columns + " FROM outdial.calls c" + w.ofAgent().text.String()}
}

// agents asks each batch of the agent for its best call, and those batches whose calls are the best for a page. The
// page is among these: a batch of which it has a call has its best one there too.
func (l *callList) agents(columns string) string {
	b, best, all := l.where(), l.within(l.walk("c.org = b.org")), l.within(l.walk("c.org = b.org"))
	b.and("b.org = " + ofOrg)
	b.and("b.agent = ?", raw(l.q.AgentID))
	best.and("c.batch = b.batch")
	all.and("c.batch = b.batch")
	batches := "SELECT b.org, b.batch, c.id FROM outdial.batches b CROSS JOIN LATERAL (SELECT c.id FROM outdial.calls c" +
		best.text.String() + l.order + " LIMIT 1) c" + b.text.String() + l.order + l.page
	return columns + " FROM (" + batches + ") b CROSS JOIN LATERAL (" + columns + " FROM outdial.calls c" +
		all.text.String() + l.order + l.page + ") c"
}

// callWalk are the conditions of one.
type callWalk struct {
	*where

	agent string
}

// walk begins with the conditions that all have in common.
func (l *callList) walk(ofOrg string) callWalk {
	q, w := l.q, callWalk{where: l.where(), agent: l.q.AgentID}
	w.and(ofOrg)
	if q.BatchID != "" {
		w.and("c.batch = "+ofBatch, raw(q.BatchID))
	}
	if q.Recipient != nil {
		w.and("c.idx = ?", *q.Recipient)
	}
	if q.HangUp {
		w.and("c.hang_up_at IS NOT NULL")
	}
	if q.Owner != "" {
		w.and("c.owner = (SELECT n.key FROM outdial.nodes n WHERE n.id = ?)", raw(q.Owner))
	}
	if !q.DispatchedFrom.IsZero() {
		w.and("c.dispatched_at >= ?", momentUp(q.DispatchedFrom))
	}
	if !q.DispatchedTo.IsZero() {
		w.and("(c.dispatched_at IS NULL OR c.dispatched_at <= ?)", moment(q.DispatchedTo))
	}
	if q.After != "" {
		w.and("c.id < ?", raw(q.After))
	}
	if q.Before != "" {
		w.and("c.id > ?", raw(q.Before))
	}
	return w
}

// ofAgent asks each call for its agent.
func (w callWalk) ofAgent() callWalk {
	if w.agent != "" {
		w.and("(SELECT b.agent"+batchAt+"c.org AND b.batch >= c.batch ORDER BY b.batch LIMIT 1) = ?", raw(w.agent))
	}
	return w
}

// within adds the ids of the time that is asked for.
func (l *callList) within(w callWalk) callWalk {
	if l.from != "" {
		w.and("c.id >= ?", raw(l.from))
	}
	if l.to != "" {
		w.and("c.id < ?", raw(l.to))
	}
	return w
}

package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/internal/callids"
)

// callList is how a query is answered for the calls of an organisation by agent or time: at a cost that does
// not grow with the calls that it does not ask for. It finds them through what each call has anyway: its id, which
// tells when it was made, and the calls of its batch. An index of its own would be written by every claim.
type callList struct {
	q     store.CallQuery
	timed bool // the times are bounds of ids as well, but for strays

	above, below string // the ids that it is between; empty for no bound
	near         int    // how many calls of everybody are looked at for the agent's, before the agent's batches are

	// The page is walked newest first, but the one just before an id towards the newer ones.
	order, beyond, within string
}

// byAgentOrTime says whether a query is one for a callList: the other filters leave few calls by themselves.
func byAgentOrTime(q store.CallQuery) bool {
	return (q.AgentID != "" || timed(q)) &&
		q.BatchID == "" && q.Recipient == nil && q.Owner == "" && !q.InFlight && !q.HangUp
}

func timed(q store.CallQuery) bool { return !q.DispatchedFrom.IsZero() || !q.DispatchedTo.IsZero() }

func newCallList(q store.CallQuery) *callList {
	const near = 1000
	l := &callList{
		q: q, timed: timed(q), above: q.Before, below: q.After, near: near,
		order: " ORDER BY id DESC LIMIT ", beyond: "id < ?", within: "id >= ?",
	}
	if q.Before != "" {
		l.order, l.beyond, l.within = " ORDER BY id LIMIT ", "id > ?", "id <= ?"
	}
	if !q.DispatchedFrom.IsZero() {
		first, _ := callids.Around(q.DispatchedFrom)
		l.above = max(l.above, first[:max(len(first)-1, 0)]) // the bound itself is not below
	}
	if !q.DispatchedTo.IsZero() {
		if _, end := callids.Around(q.DispatchedTo); l.below == "" || end != "" && end < l.below {
			l.below = end
		}
	}
	return l
}

// find reads a page.
func (l *callList) find(ctx context.Context, from querier) ([]store.Call, error) {
	find := l.everybodys
	if l.q.AgentID != "" {
		find = l.agents
	}
	page, err := find(ctx, from)
	if err != nil || !l.timed {
		return page, err
	}
	all := *l
	all.above, all.below = l.q.Before, l.q.After
	w := all.walk("calls_stray", 1)
	if l.q.AgentID != "" {
		w.and("(SELECT agent FROM batches WHERE key = batch) = ?", l.q.AgentID)
	}
	strays, err := l.read(ctx, from, w)
	return l.merge(page, strays), err
}

func (l *callList) everybodys(ctx context.Context, from querier) ([]store.Call, error) {
	return l.read(ctx, from, l.walk("", 0))
}

// agents finds the calls of an agent who has many of all there are among the nearest ones, and those of one who has
// few by the batches.
func (l *callList) agents(ctx context.Context, from querier) ([]store.Call, error) {
	edge, err := l.edge(ctx, from)
	if err != nil {
		return nil, err
	}
	w := l.walk("", 0)
	w.and("(SELECT agent FROM batches WHERE key = batch) = ?", l.q.AgentID)
	if edge != "" {
		w.and(l.within, edge)
	}
	page, err := l.read(ctx, from, w)
	if err != nil || edge == "" || l.full(page) {
		return page, err
	}
	heads, err := l.heads(ctx, from, edge)
	if err != nil {
		return nil, err
	}
	for _, h := range heads {
		w := l.ofBatch(h.batch, edge)
		if l.full(page) {
			last := page[len(page)-1].ID
			if l.compare(last, h.id) < 0 {
				break
			}
			w.and(l.within, last)
		}
		more, err := l.read(ctx, from, w)
		if err != nil {
			return nil, err
		}
		page = l.merge(page, more)
	}
	return page, nil
}

// edge returns the last of the nearest calls, empty where they are all.
func (l *callList) edge(ctx context.Context, from querier) (string, error) {
	text, args := l.edgeQuery()
	var id string
	if _, err := from.find(ctx, text, args, []any{&id}); err != nil {
		return "", fmt.Errorf("the nearest calls: %w", err)
	}
	return id, nil
}

func (l *callList) edgeQuery() (text string, args []any) {
	w := l.walk("", 0)
	return "SELECT id FROM calls" + w.text.String() + l.order + "1 OFFSET ?", append(w.args, l.near-1)
}

// head is the first call of a batch.
type head struct {
	batch int64
	id    string
}

// heads finds the batches of the agent that can have calls on the page, in the order of their first ones behind edge.
// The page has no more calls than it has batches.
func (l *callList) heads(ctx context.Context, from querier, edge string) ([]head, error) {
	text, args := l.headsQuery(edge)
	rows, err := from.query(ctx, text, args...)
	return collect(rows, err, func(scan func(...any) error) (h head, err error) {
		err = scan(&h.batch, &h.id)
		return h, err
	})
}

func (l *callList) headsQuery(edge string) (text string, args []any) {
	w := &walk{index: "calls_batch"}
	w.and("batch = b.key")
	l.bound(w, 0)
	w.and(l.beyond, edge)
	first := "SELECT id FROM calls INDEXED BY calls_batch" + w.text.String() + l.order + "1"
	text = "WITH firsts AS MATERIALIZED (SELECT b.key, (" + first + ") AS id" +
		" FROM batches b INDEXED BY batches_agent WHERE b.org = " + orgKey + " AND b.agent = ?)" +
		" SELECT key, id FROM firsts WHERE id IS NOT NULL" + l.order + "?"
	return text, append(w.args, l.q.Org, l.q.AgentID, limit(l.q.Limit))
}

func (l *callList) ofBatch(batch int64, edge string) *walk {
	w := &walk{index: "calls_batch"}
	w.and("batch = ?", batch)
	l.bound(w, 0)
	w.and(l.beyond, edge)
	return w
}

// walk begins one through the calls of the organisation, its strays or the others.
func (l *callList) walk(index string, stray int) *walk {
	w := &walk{index: index}
	w.and("org = "+orgKey, l.q.Org)
	l.bound(w, stray)
	return w
}

func (l *callList) bound(w *walk, stray int) {
	if l.above != "" {
		w.and("id > ?", l.above)
	}
	if l.below != "" {
		w.and("id < ?", l.below)
	}
	if l.timed {
		w.and(fmt.Sprintf("stray = %d", stray)) // in the text, since an index has but those
		during(&w.where, "", l.q)
	}
}

// during adds the times themselves.
func during(w *where, alias string, q store.CallQuery) {
	if !q.DispatchedFrom.IsZero() {
		w.and(alias+"dispatched_at >= ?", microsUp(q.DispatchedFrom))
	}
	if !q.DispatchedTo.IsZero() {
		w.and("("+alias+"dispatched_at IS NULL OR "+alias+"dispatched_at <= ?)", micros(q.DispatchedTo))
	}
}

func (l *callList) read(ctx context.Context, from querier, w *walk) ([]store.Call, error) {
	text, args := l.text(w)
	return queryCalls(ctx, from, l.q.Org, text, args)
}

// text reads what the walk comes to, as far as a page can reach. The walk is apart from the rest of the rows,
// so that only those on the page are looked up.
func (l *callList) text(w *walk) (text string, args []any) {
	index := ""
	if w.index != "" {
		index = " INDEXED BY " + w.index
	}
	return "SELECT " + callColumns + " FROM (SELECT org, id AS place FROM calls" + index + w.text.String() + l.order +
		"?) p CROSS JOIN calls c ON c.org = p.org AND c.id = p.place" + callParents, append(w.args, limit(l.q.Limit))
}

func (l *callList) full(page []store.Call) bool { return l.q.Limit > 0 && len(page) >= l.q.Limit }

// merge returns what of both is on the page, in the order of the walks.
func (l *callList) merge(page, more []store.Call) []store.Call {
	page = append(page, more...)
	slices.SortFunc(page, func(a, b store.Call) int { return l.compare(a.ID, b.ID) })
	if l.full(page) {
		page = page[:l.q.Limit]
	}
	return page
}

func (l *callList) compare(a, b string) int {
	if l.q.Before != "" {
		return cmp.Compare(a, b)
	}
	return cmp.Compare(b, a)
}

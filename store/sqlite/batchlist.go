package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// batchList is how a query for batches is answered: by walks over indexes that have what is asked
// for in the order of the list. Where it takes several, SQLite merges them and stops when the page is
// full. So a page costs what is on it, whatever else the organisation has.
type batchList struct {
	q     store.BatchQuery
	timed bool // the times are turned into bounds of ids, by narrow

	above, below string // the ids that a walk is between; empty for no bound
	from, to     any    // created at or after, and before, in microseconds; nil for no bound
}

func newBatchList(q store.BatchQuery) *batchList {
	l := &batchList{q: q, above: q.Before, below: q.After}
	if !q.CreatedFrom.IsZero() {
		l.from = microsUp(q.CreatedFrom)
	}
	if !q.CreatedTo.IsZero() {
		l.to = microsUp(q.CreatedTo)
	}
	l.timed = (l.from != nil || l.to != nil) && q.Key == "" && !q.ByRev
	return l
}

// microsUp is the first instant of a column that is not before t.
func microsUp(t time.Time) int64 { return t.Add(time.Microsecond - 1).UnixMicro() }

// The batches that are no strays are in the same order by id as by the millisecond, so these
// ids have all that were created earlier, or later, on their far side.
const (
	selectEarlier = `(SELECT id FROM batches INDEXED BY batches_created
		WHERE org = o.key AND stray = 0 AND created_at / 1000 < ?1 / 1000
		ORDER BY created_at / 1000 DESC, id DESC LIMIT 1)`
	selectLater = `(SELECT id FROM batches INDEXED BY batches_created
		WHERE org = o.key AND stray = 0 AND created_at / 1000 > (?2 - 1) / 1000
		ORDER BY created_at / 1000, id LIMIT 1)`
	selectBounds = "SELECT ifnull(" + selectEarlier + ", ''), ifnull(" + selectLater + `, '')
		FROM organisations o WHERE id = ?3`
)

// narrow turns the times into bounds of ids. It says whether there is such an organisation.
func (l *batchList) narrow(ctx context.Context, tx querier) (known bool, err error) {
	var earlier, later string
	known, err = tx.find(ctx, selectBounds, []any{l.from, l.to, l.q.Org}, []any{&earlier, &later})
	if err != nil {
		return false, fmt.Errorf("bounds of the times: %w", err)
	}
	if !known {
		return false, nil
	}
	l.above = max(l.above, earlier)
	if l.below == "" || later != "" && later < l.below {
		l.below = later
	}
	return true, nil
}

func (l *batchList) text() (text string, args []any) {
	place, order := "id", " DESC"
	switch {
	case l.q.ByRev:
		place, order = "rev", ""
	case l.q.Before != "": // the page just before it begins at its end
		order = ""
	}
	walks := l.walks()
	texts := make([]string, len(walks))
	for i, w := range walks {
		texts[i] = "SELECT key, " + place + " AS place FROM batches INDEXED BY " + w.index + w.text.String()
		args = append(args, w.args...)
	}
	return "SELECT " + batchColumns + " FROM (" + strings.Join(texts, " UNION ALL ") +
		" ORDER BY place" + order + " LIMIT ?) p CROSS JOIN batches b ON b.key = p.key", append(args, limit(l.q.Limit))
}

// walk goes through those in an index that meet its conditions.
type walk struct {
	where

	index string
}

func (l *batchList) walks() []*walk {
	q := l.q
	var out []*walk
	switch {
	case q.Key != "":
		w := l.walk("batches_key")
		w.and("idem_key <> '' AND idem_key = ?", q.Key)
		w.and("id = (SELECT max(id) FROM batches WHERE org = "+orgKey+" AND idem_key <> '' AND idem_key = ?)", q.Org, q.Key)
		l.filter(w)
		out = append(out, w)
	case q.ByRev:
		w := l.walk("batches_rev")
		l.filter(w)
		out = append(out, w)
	case len(q.Statuses) > 0 || q.Open && q.AgentID != "":
		out = l.walksByStatus()
	case q.AgentID != "":
		out = append(out, l.walk("batches_agent"))
	case q.Open:
		w := l.walk("batches_open")
		w.and("queued + dispatched + started > 0")
		out = append(out, w)
	default:
		out = append(out, l.walk("batches_id"))
	}
	if !l.timed {
		return out
	}
	for _, w := range out {
		w.and("stray = 0")
	}
	return append(out, l.strays())
}

// walksByStatus are one for each status that is asked for, of batches that are open and of others:
// an index has the batches in the order of the list only where everything before the id is given.
func (l *batchList) walksByStatus() []*walk {
	index, statuses, open := "batches_status", slices.Clone(l.q.Statuses), []bool{true, false}
	if l.q.AgentID != "" {
		index = "batches_agent_status"
	}
	if len(statuses) == 0 {
		statuses = []fsm.BatchStatus{
			fsm.BatchPending, fsm.BatchInProgress, fsm.BatchCompleted, fsm.BatchFailed, fsm.BatchCancelled,
		}
	}
	if l.q.Open {
		open = []bool{true}
	}
	slices.Sort(statuses)
	var out []*walk
	for _, s := range slices.Compact(statuses) {
		for _, o := range open {
			w := l.walk(index)
			w.and("status = ? AND open = ?", int(s), o)
			out = append(out, w)
		}
	}
	return out
}

// strays looks at all whose time is against the order of the ids.
func (l *batchList) strays() *walk {
	all := *l
	all.above, all.below = l.q.Before, l.q.After
	w := all.walk("batches_stray")
	w.and("stray = 1")
	all.filter(w)
	return w
}

// walk begins one: the conditions that an index has first, then the place in the list.
func (l *batchList) walk(index string) *walk {
	w := &walk{index: index}
	w.and("org = "+orgKey, l.q.Org)
	if l.q.AgentID != "" {
		w.and("agent = ?", l.q.AgentID)
	}
	if l.q.ByRev {
		w.and("rev > ?", l.q.AfterRev)
	}
	if l.above != "" {
		w.and("id > ?", l.above)
	}
	if l.below != "" {
		w.and("id < ?", l.below)
	}
	if l.from != nil {
		w.and("created_at >= ?", l.from)
	}
	if l.to != nil {
		w.and("(created_at IS NULL OR created_at < ?)", l.to)
	}
	return w
}

// filter adds what the index does not have.
func (l *batchList) filter(w *walk) {
	if len(l.q.Statuses) > 0 {
		args := make([]any, len(l.q.Statuses))
		for i, s := range l.q.Statuses {
			args[i] = int(s)
		}
		w.and("status IN (?"+strings.Repeat(", ?", len(args)-1)+")", args...)
	}
	if l.q.Open {
		w.and("queued + dispatched + started > 0")
	}
}

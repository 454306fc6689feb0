package postgres

import (
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// batchList is how a query for batches is answered: by walks over indexes that have what is asked for
// in the order of the list. Where it takes several, each stops when it has a page, so a page costs
// what is on it, whatever else the organisation has.
//
// A list runs by id, and a filter by time is turned into bounds of ids. That is right for batches
// whose ids and times are in the same order, as the ids of package store are. Those that break this order are
// strays, and are looked at one by one.
type batchList struct {
	*args

	q        store.BatchQuery
	from, to pgtype.Timestamptz // created at or after, and before
	timed    bool               // the times are turned into bounds of ids
}

func newBatchList(q store.BatchQuery) *batchList {
	l := &batchList{args: newArgs(q.Org), q: q, from: momentUp(q.CreatedFrom), to: momentUp(q.CreatedTo)}
	l.timed = (l.from.Valid || l.to.Valid) && q.Key == "" && !q.ByRev
	return l
}

func (l *batchList) text() (text string, args []any) {
	if l.q.ByRev {
		return l.feed(), *l.args
	}
	order := " ORDER BY place DESC"
	if l.q.Before != "" { // the page just before it begins at its end
		order = " ORDER BY place"
	}
	page := l.limit(l.q.Limit)
	var texts []string
	for _, w := range l.walks() {
		texts = append(texts, "(SELECT b.batch, b.id AS place FROM outdial.batches b"+w.text.String()+order+page+")")
	}
	rows := texts[0]
	if len(texts) > 1 {
		rows = "SELECT w.batch, w.place FROM (" + strings.Join(texts, " UNION ALL ") + ") w" + order + page
	}
	return "SELECT " + batchColumns + " FROM (" + rows + ") p" +
		" JOIN outdial.batches b ON b.org = $1 AND b.batch = p.batch" +
		" JOIN outdial.tallies t ON t.org = $1 AND t.batch = p.batch", *l.args
}

// feed walks what has changed, in the order in which it did.
func (l *batchList) feed() string {
	w := l.where()
	w.and("t.org = " + ofOrg)
	w.and("t.rev > ?", l.q.AfterRev)
	l.filter(w)
	if l.q.AgentID != "" {
		w.and("b.agent = ?", raw(l.q.AgentID))
	}
	if l.q.Key != "" {
		l.latestOfKey(w)
	}
	l.times(w)
	return "SELECT " + batchColumns + batchTables + w.text.String() + " ORDER BY t.rev" + l.limit(l.q.Limit)
}

func (l *batchList) walks() []*where {
	q := l.q
	var out []*where
	switch {
	case q.Key != "":
		w := l.walk()
		l.latestOfKey(w)
		l.filter(w)
		out = append(out, w)
	case len(q.Statuses) > 0 || q.Open && q.AgentID != "":
		out = l.walksByStatus()
	case q.Open:
		w := l.walk()
		w.and("b.open")
		out = append(out, w)
	default:
		out = append(out, l.walk())
	}
	if !l.timed {
		return out
	}
	for _, w := range out {
		w.and("NOT b.stray")
		l.bounds(w)
	}
	return append(out, l.strays())
}

func (l *batchList) latestOfKey(w *where) {
	w.and("b.idem_key <> ''")
	w.and("b.idem_key = ?", raw(l.q.Key))
	w.and(`b.id = (SELECT k.id FROM outdial.batches k WHERE k.org = $1 AND k.idem_key <> '' AND k.idem_key = ?
		ORDER BY k.id DESC LIMIT 1)`, raw(l.q.Key))
}

// walksByStatus are one for each status that is asked for, of batches that are open and of others:
// an index has the batches in the order of the list only where everything before the id is given.
func (l *batchList) walksByStatus() []*where {
	statuses, open := slices.Clone(l.q.Statuses), []bool{true, false}
	if len(statuses) == 0 {
		statuses = []fsm.BatchStatus{
			fsm.BatchPending, fsm.BatchInProgress, fsm.BatchCompleted, fsm.BatchFailed, fsm.BatchCancelled,
		}
	}
	if l.q.Open {
		open = []bool{true}
	}
	slices.Sort(statuses)
	var out []*where
	for _, s := range slices.Compact(statuses) {
		for _, o := range open {
			w := l.walk()
			w.and("b.status = ?", int16(s))
			w.and("b.open = ?", o)
			out = append(out, w)
		}
	}
	return out
}

// strays looks at all whose time is against the order of the ids.
func (l *batchList) strays() *where {
	w := l.walk()
	w.and("b.stray")
	l.filter(w)
	return w
}

// walk begins one, with the conditions that all have in common.
func (l *batchList) walk() *where {
	w := l.where()
	w.and("b.org = " + ofOrg)
	if l.q.AgentID != "" {
		w.and("b.agent = ?", raw(l.q.AgentID))
	}
	if l.q.Before != "" {
		w.and("b.id > ?", raw(l.q.Before))
	}
	if l.q.After != "" {
		w.and("b.id < ?", raw(l.q.After))
	}
	l.times(w)
	return w
}

func (l *batchList) times(w *where) {
	if l.from.Valid {
		w.and("b.created_at >= ?", l.from)
	}
	if l.to.Valid {
		w.and("(b.created_at IS NULL OR b.created_at < ?)", l.to)
	}
}

// bounds adds the ids of the last batch before the times and of the first one after them.
func (l *batchList) bounds(w *where) {
	if l.from.Valid {
		w.and(`b.id > coalesce((SELECT e.id FROM outdial.batches e WHERE e.org = $1 AND NOT e.stray AND e.created_at < ?
			ORDER BY e.created_at DESC, e.id DESC LIMIT 1), '')`, l.from)
	}
	if l.to.Valid {
		// Above every id: one has at most 255 bytes of text, where a byte 255 does not occur.
		w.and(`b.id < coalesce((SELECT e.id FROM outdial.batches e WHERE e.org = $1 AND NOT e.stray AND e.created_at >= ?
			ORDER BY e.created_at, e.id LIMIT 1), decode('ff', 'hex'))`, l.to)
	}
}

// filter adds what an index does not have.
func (l *batchList) filter(w *where) {
	if len(l.q.Statuses) > 0 {
		w.and("b.status = ANY(?)", column(l.q.Statuses, func(s fsm.BatchStatus) int16 { return int16(s) }))
	}
	if l.q.Open {
		w.and("b.open")
	}
}

package postgres

import (
	"cmp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store/internal/callids"
)

const (
	updateFlights = `UPDATE outdial.flights f SET status = v.status, end_reason = v.reason, rang_at = v.rang,
	started_at = v.started, ended_at = v.ended, carrier = v.carrier, ref = v.ref, error = v.error, tries = v.tries,
	details = v.details, rev = CASE WHEN v.rev > 0 THEN v.rev ELSE f.rev END,
	updated_at = CASE WHEN v.rev > 0 THEN $2 ELSE f.updated_at END
	FROM unnest($3::integer[], $4::integer[], $5::smallint[], $6::bigint[], $7::smallint[], $8::timestamptz[],
		$9::timestamptz[],
		$10::timestamptz[], $11::bytea[], $12::bytea[], $13::bytea[], $14::bytea[], $15::bytea[])
		AS v (batch, idx, status, rev, reason, rang, started, ended, carrier, ref, error, tries, details)
	WHERE f.org = $1 AND f.batch = v.batch AND f.idx = v.idx`

	endFlights = `WITH gone AS (
		DELETE FROM outdial.flights f
		USING unnest($2::integer[], $3::integer[], $4::smallint[], $5::boolean[], $6::boolean[], $7::smallint[],
			$8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::bytea[], $12::bytea[], $13::bytea[], $14::bytea[],
			$15::bytea[])
			AS v (batch, idx, status, unplaced, stray, reason, rang, started, ended, carrier, ref, error, tries, details)
		WHERE f.org = $1 AND f.batch = v.batch AND f.idx = v.idx
		RETURNING f.dispatched_at, f.hang_up_at, f.attempt, f.owner, f.id, f.caller, v.*)
	INSERT INTO outdial.calls (org, dispatched_at, hang_up_at, attempt, owner, id, caller, batch, idx, status,
		unplaced, stray,
		end_reason, rang_at, started_at, ended_at, carrier, ref, error, tries, details)
	SELECT $1, gone.* FROM gone`

	insertFlights = `INSERT INTO outdial.flights (org, owner, dispatched_at, updated_at, id, batch, idx,
		attempt, rev, carrier,
		caller, status, end_reason, ref, error, tries, details)
	SELECT $1, $2, $3, $3, v.id, v.batch, v.idx, v.attempt, v.rev, v.carrier, v.caller, 1, 0, '', '', '', ''
	FROM unnest($4::bytea[], $5::integer[], $6::integer[], $7::integer[], $8::bigint[], $9::bytea[], $10::bytea[])
		AS v (id, batch, idx, attempt, rev, carrier, caller)`
)

// saveCalls writes the calls that events changed, and those that claims made. What is over goes first: one of its
// recipients may be claimed again.
func (t *turn) saveCalls(trip *trip) {
	var flying, over []*call
	for _, c := range t.calls {
		switch {
		case c.over || c.now == c.was:
		case c.now.status.InFlight():
			flying = append(flying, c)
		default:
			over = append(over, c)
		}
	}
	t.endFlights(trip, over)
	t.updateFlights(trip, flying)
	t.insertFlights(trip)
}

func byPlace(a, b *call) int { return cmp.Or(cmp.Compare(a.batch, b.batch), cmp.Compare(a.idx, b.idx)) }

// callArrays are the fields of calls that both statements write.
func callArrays(list []*call) []any {
	texts := func(of func(*fields) string) [][]byte {
		return column(list, func(c *call) []byte { return raw(of(&c.now)) })
	}
	when := func(of func(*fields) time.Time) []pgtype.Timestamptz {
		return column(list, func(c *call) pgtype.Timestamptz { return moment(of(&c.now)) })
	}
	return []any{
		column(list, func(c *call) int16 { return c.now.reason }),
		when(func(f *fields) time.Time { return f.rang }), when(func(f *fields) time.Time { return f.started }),
		when(func(f *fields) time.Time { return f.ended }),
		texts(func(f *fields) string { return f.carrier }), texts(func(f *fields) string { return f.ref }),
		texts(func(f *fields) string { return f.error }), texts(func(f *fields) string { return f.tries }),
		texts(func(f *fields) string { return f.details }),
	}
}

func (t *turn) updateFlights(trip *trip, list []*call) {
	if len(list) == 0 {
		return
	}
	slices.SortFunc(list, byPlace)
	trip.ask(updateFlights, append([]any{
		t.org.key, moment(t.step.Now),
		column(list, func(c *call) int32 { return c.batch }), column(list, func(c *call) int32 { return c.idx }),
		column(list, func(c *call) int16 { return int16(c.now.status) }), column(list, func(c *call) int64 { return c.rev }),
	}, callArrays(list)...)...)
}

func (t *turn) endFlights(trip *trip, list []*call) {
	if len(list) == 0 {
		return
	}
	slices.SortFunc(list, byPlace)
	var strays callids.Strays
	trip.ask(endFlights, append([]any{
		t.org.key,
		column(list, func(c *call) int32 { return c.batch }), column(list, func(c *call) int32 { return c.idx }),
		column(list, func(c *call) int16 { return int16(c.now.status) }),
		column(list, func(c *call) bool { return c.now.unplaced }),
		column(list, func(c *call) bool { return strays.Has(c.id, c.dispatched) }),
	}, callArrays(list)...)...)
}

func (t *turn) insertFlights(trip *trip) {
	var list []answer
	for i := range t.answers {
		if t.answers[i].fate != nil {
			list = append(list, t.answers[i])
		}
	}
	if len(list) == 0 {
		return
	}
	slices.SortFunc(list, func(a, b answer) int { return a.fate.compare(b.fate.place) })
	trip.ask(insertFlights, t.org.key, t.owner.key, moment(t.step.Now),
		column(list, func(a answer) []byte { return raw(a.ID) }), column(list, func(a answer) int32 { return a.fate.batch }),
		column(list, func(a answer) int32 { return a.fate.idx }), column(list,
			func(a answer) int32 { return a.fate.attempts }),
		column(list, func(a answer) int64 { return a.fate.rev }), column(list,
			func(a answer) []byte { return raw(a.Carrier) }),
		column(list, func(a answer) []byte { return raw(a.From) }))
}

const (
	updateRecipients = `UPDATE outdial.recipients r SET rest = v.status, attempts = v.attempts, call = v.call,
	end_reason = v.reason, error = v.error, rev = v.rev, updated_at = $2
	FROM unnest($3::integer[], $4::integer[], $5::smallint[], $6::integer[], $7::bytea[], $8::smallint[], $9::bytea[],
		$10::bigint[]) AS v (batch, idx, status, attempts, call, reason, error, rev)
	WHERE r.org = $1 AND r.batch = v.batch AND r.idx = v.idx`

	insertAgain = `INSERT INTO outdial.again (org, batch, idx, attempts)
	SELECT $1, v.batch, v.idx, v.attempts FROM unnest($2::integer[], $3::integer[], $4::integer[]) AS v (batch,
		idx, attempts)`

	deleteAgain = `DELETE FROM outdial.again a USING unnest($2::integer[], $3::integer[],
		$4::integer[]) AS v (batch, idx, attempts)
	WHERE a.org = $1 AND a.batch = v.batch AND a.attempts = v.attempts AND a.idx = v.idx`
)

// waiting is a row of those that are queued again.
type waiting struct {
	place

	attempts int32
}

// saveFates writes what becomes of recipients whose call is over. Those whose call goes on need no writing:
// the call says it.
func (t *turn) saveFates(trip *trip) {
	var list []*fate
	var again []waiting
	for _, r := range t.fates {
		if r.status.InFlight() {
			continue
		}
		list = append(list, r)
		if r.status == fsm.Queued {
			again = append(again, waiting{r.place, r.attempts})
		}
	}
	t.requeue(trip, deleteAgain, t.taken)
	t.requeue(trip, insertAgain, again)
	if len(list) == 0 {
		return
	}
	slices.SortFunc(list, func(a, b *fate) int { return a.compare(b.place) })
	trip.ask(updateRecipients, t.org.key, moment(t.step.Now),
		column(list, func(r *fate) int32 { return r.batch }), column(list, func(r *fate) int32 { return r.idx }),
		column(list, func(r *fate) int16 { return int16(r.status) }), column(list, func(r *fate) int32 { return r.attempts }),
		column(list, func(r *fate) []byte { return raw(r.call) }), column(list, func(r *fate) int16 { return r.reason }),
		column(list, func(r *fate) []byte { return raw(r.error) }), column(list, func(r *fate) int64 { return r.rev }))
}

// requeue adds or removes rows of those that are queued again.
func (t *turn) requeue(trip *trip, text string, list []waiting) {
	if len(list) == 0 {
		return
	}
	slices.SortFunc(list, func(a, b waiting) int {
		return cmp.Or(cmp.Compare(a.batch, b.batch), cmp.Compare(a.attempts, b.attempts), cmp.Compare(a.idx, b.idx))
	})
	trip.ask(text, t.org.key, column(list, func(w waiting) int32 { return w.batch }),
		column(list, func(w waiting) int32 { return w.idx }), column(list, func(w waiting) int32 { return w.attempts }))
}

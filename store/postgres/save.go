package postgres

import (
	"cmp"
	"slices"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store/internal/callids"
)

// What an event did not change, and what nearly all rows have alike, is not sent: instead of an array goes NULL, and
// the field stays as the flight has it, or becomes what is usual. The arrays are unnested as columns of a list: in
// FROM, as a table, the server would write the rows down before it reads the first.
const (
	// The parameters of both statements from the fourth on, see flightArrays.
	unnestChanged = `unnest($4::integer[]) AS batch, unnest($5::integer[]) AS idx, unnest($6::smallint[]) AS status,
		unnest($7::bigint[]) AS rev, unnest($8::smallint[]) AS reason, unnest($9::timestamptz[]) AS rang,
		unnest($10::timestamptz[]) AS started, unnest($11::timestamptz[]) AS ended, unnest($12::bytea[]) AS carrier,
		unnest($13::bytea[]) AS ref, unnest($14::bytea[]) AS error, unnest($15::bytea[]) AS tries,
		unnest($16::bytea[]) AS details`

	// A time may become NULL, so it is the array that says whether it is written.
	rangNow    = "CASE WHEN $9::timestamptz[] IS NULL THEN f.rang_at ELSE v.rang END"
	startedNow = "CASE WHEN $10::timestamptz[] IS NULL THEN f.started_at ELSE v.started END"
	endedNow   = "CASE WHEN $11::timestamptz[] IS NULL THEN f.ended_at ELSE v.ended END"

	// Each flight is looked up behind what names it, lateral: a plan that was made while there were few flights would walk
	// all of the organisation's, and unnest the arrays again for each. Whoever writes to flights has the organisation's
	// row, which the transaction has before the statement begins. So the place at which that sees a flight is where it is,
	// and stays.
	flightAt = ` CROSS JOIN LATERAL (SELECT q.ctid AS place FROM outdial.flights q
		WHERE q.org = $1 AND q.batch = v.batch AND q.idx = v.idx OFFSET 0) at
		WHERE f.ctid = at.place AND f.owner = $2`

	updateFlights = `WITH went AS (
		UPDATE outdial.flights f SET status = v.status, end_reason = coalesce(v.reason, f.end_reason),
			rang_at = ` + rangNow + `, started_at = ` + startedNow + `, ended_at = ` + endedNow + `,
			carrier = coalesce(v.carrier, f.carrier), ref = coalesce(v.ref, f.ref), error = coalesce(v.error, f.error),
			tries = coalesce(v.tries, f.tries), details = coalesce(v.details, f.details),
			rev = CASE WHEN v.rev > 0 THEN v.rev ELSE f.rev END,
			updated_at = CASE WHEN v.rev > 0 THEN $3 ELSE f.updated_at END
		FROM (SELECT ` + unnestChanged + `) v` + flightAt + `
		RETURNING f.idx)
	SELECT 1 / ((SELECT count(*) FROM went) = $17 AND ` + leased + `)::integer`

	// The call moves to those that are over, and its recipient is told how it ended: as the call, unless there is more to
	// say. A revision of 0 is that of one whose recipient has been claimed again by the same step.
	endFlights = `WITH gone AS (
		DELETE FROM outdial.flights f
		USING (SELECT ` + unnestChanged + `, unnest($18::boolean[]) AS unplaced, unnest($19::boolean[]) AS stray,
			unnest($20::smallint[]) AS rest, unnest($21::bytea[]) AS call, unnest($22::smallint[]) AS told,
			unnest($23::bytea[]) AS complaint) v` + flightAt + `
		RETURNING f.batch, f.idx, f.id, f.attempt, f.dispatched_at, f.hang_up_at, f.caller, v.status, v.rev,
			coalesce(v.reason, f.end_reason) AS reason, ` + rangNow + ` AS rang, ` + startedNow + ` AS started,
			` + endedNow + ` AS ended, coalesce(v.carrier, f.carrier) AS carrier, coalesce(v.ref, f.ref) AS ref,
			coalesce(v.error, f.error) AS error, coalesce(v.tries, f.tries) AS tries,
			coalesce(v.details, f.details) AS details, v.unplaced, v.stray, v.rest, v.call, v.told, v.complaint),
	over AS (
		INSERT INTO outdial.calls (org, owner, batch, idx, id, attempt, dispatched_at, hang_up_at, caller, status,
			end_reason, rang_at, started_at, ended_at, carrier, ref, error, tries, details, unplaced, stray)
		SELECT $1, $2, g.batch, g.idx, g.id, g.attempt, g.dispatched_at, g.hang_up_at, g.caller, g.status,
			g.reason, g.rang, g.started, g.ended, g.carrier, g.ref, g.error, g.tries, g.details,
			coalesce(g.unplaced, false), coalesce(g.stray, false) FROM gone g),
	told AS (
		UPDATE outdial.recipients r SET rest = coalesce(g.rest, g.status), attempts = g.attempt,
			call = coalesce(g.call, g.id), end_reason = coalesce(g.told, g.reason), error = coalesce(g.complaint, ''),
			rev = g.rev, updated_at = $3
		FROM gone g WHERE r.org = $1 AND r.batch = g.batch AND r.idx = g.idx AND g.rev > 0)
	SELECT 1 / ((SELECT count(*) FROM gone) = $17 AND ` + leased + `)::integer`

	insertFlights = `INSERT INTO outdial.flights (org, owner, dispatched_at, updated_at, id, batch, idx,
		attempt, rev, carrier, caller, status, end_reason, ref, error, tries, details)
	SELECT $1, $2, $3, $3, v.id, v.batch, v.idx, coalesce(v.attempt, 1), v.rev, coalesce(v.carrier, $4),
		coalesce(v.caller, $5), 1, 0, '', '', '', ''
	FROM (SELECT unnest($6::bytea[]) AS id, unnest($7::integer[]) AS batch, unnest($8::integer[]) AS idx,
		unnest($9::bigint[]) AS rev, unnest($10::integer[]) AS attempt, unnest($11::bytea[]) AS carrier,
		unnest($12::bytea[]) AS caller) v
	WHERE 1 / (SELECT ` + leased + `)::integer = 1`

	// Whoever has not asked before sees so, behind the lock, that the lease runs.
	leased = "EXISTS (SELECT FROM outdial.nodes n WHERE n.key = $2 AND n.expires_at > clock_timestamp())"

	// The row is the lock of the organisation, which the transaction has already or gets by this. If it is not the row of
	// which the step was decided, or at another server, nothing is written.
	saveOrgAndTallies = `WITH o AS (
		UPDATE outdial.organisations SET rev = $13, queued = $14, in_flight = $15, active = $16
		WHERE org = $1 AND id = $17 AND rev = $18 AND queued = $19 AND in_flight = $20 AND batches = $21
			AND pg_postmaster_start_time() = $22
		RETURNING org),
	went AS (` + updateTallies + ` CROSS JOIN o WHERE t.org = $1 AND t.batch = v.batch RETURNING t.batch)
	SELECT 1 / ((SELECT count(*) FROM went) = $23)::integer`
)

// saveOrg writes what became of the organisation and its batches.
func (t *turn) saveOrg(trip *trip) {
	var list []*batch
	for _, b := range t.order {
		if b.changed {
			list = append(list, b)
		}
	}
	o := t.org
	trip.ask(saveOrgAndTallies, slices.Concat([]any{o.key, moment(t.step.Now)}, tallies(list), []any{
		o.rev, o.queued, o.inFlight, o.queued+int64(o.inFlight) > 0, raw(t.step.Org),
		o.was.rev, o.was.queued, o.was.inFlight, o.batches, moment(o.server), len(list),
	})...)
}

// flight is a call that was in flight before the step, and what became of its recipient.
type flight struct {
	*call

	fate *fate
}

// saveCalls writes the calls that events changed, and those that claims made. What is over goes first: one of its
// recipients may be claimed again.
func (t *turn) saveCalls(trip *trip) {
	var flying, over []flight
	for _, c := range t.calls {
		switch {
		case c.over || c.now == c.was:
		case c.now.status.InFlight():
			flying = append(flying, flight{call: c})
		default:
			over = append(over, flight{c, t.fateOf(c)})
		}
	}
	if len(over) > 0 {
		t.endFlights(trip, over)
	}
	if len(flying) > 0 {
		trip.ask(updateFlights, t.flightArrays(flying)...)
	}
	if made := t.made(); len(made) > 0 {
		t.insertFlights(trip, made)
	}
}

// made are the answers of which the step makes a call, by place.
func (t *turn) made() []*answer {
	var list []*answer
	for i := range t.answers {
		if t.answers[i].fate != nil {
			list = append(list, &t.answers[i])
		}
	}
	slices.SortFunc(list, func(a, b *answer) int { return a.fate.compare(b.fate.place) })
	return list
}

// fateOf is what the end of a call made of its recipient, of revision 0 where the step has claimed that again.
func (t *turn) fateOf(c *call) *fate {
	if r := t.fates[place{c.batch, c.idx}]; r != nil && r.rev == c.rev {
		return r
	}
	return &fate{status: c.now.status, call: c.id, reason: c.now.reason}
}

func byPlace(a, b flight) int {
	return cmp.Or(cmp.Compare(a.batch, b.batch), cmp.Compare(a.idx, b.idx))
}

// flightArrays are the parameters that both statements take. The last one is the number of calls: if there are not as
// many that are the owner's any more, what was known of them was wrong, and the statement divides by zero.
func (t *turn) flightArrays(list []flight) []any {
	slices.SortFunc(list, byPlace)
	return []any{
		t.org.key, t.owner.key, moment(t.step.Now),
		column(list, func(c flight) number { return number(c.batch) }),
		column(list, func(c flight) number { return number(c.idx) }),
		column(list, func(c flight) number { return number(c.now.status) }),
		column(list, func(c flight) number {
			if c.fate != nil {
				return number(c.fate.rev)
			}
			return number(c.rev)
		}),
		written(list, func(f *fields) int16 { return f.reason }, func(n int16) number { return number(n) }),
		written(list, func(f *fields) time.Time { return f.rang }, moment),
		written(list, func(f *fields) time.Time { return f.started }, moment),
		written(list, func(f *fields) time.Time { return f.ended }, moment),
		written(list, func(f *fields) string { return f.carrier }, element),
		written(list, func(f *fields) string { return f.ref }, element),
		written(list, func(f *fields) string { return f.error }, element),
		written(list, func(f *fields) string { return f.tries }, element),
		written(list, func(f *fields) string { return f.details }, element),
		len(list),
	}
}

func element(s string) blob { return raw(s) }

// written is a column of a field, nil where no event has changed it.
func written[F comparable, V any](list []flight, field func(*fields) F, as func(F) V) array[V] {
	return rare(list, func(c flight) bool { return field(&c.now) != field(&c.was) },
		func(c flight) V { return as(field(&c.now)) })
}

// rare is a column, nil where no row has anything to say in it.
func rare[R, V any](rows []R, says func(R) bool, of func(R) V) array[V] {
	if !slices.ContainsFunc(rows, says) {
		return nil
	}
	return column(rows, of)
}

func (t *turn) endFlights(trip *trip, list []flight) {
	var strays callids.Strays
	stray := func(c flight) bool { return strays.Has(c.id, c.dispatched) }
	unplaced := func(c flight) bool { return c.now.unplaced }
	trip.ask(endFlights, append(t.flightArrays(list),
		rare(list, unplaced, unplaced), rare(list, stray, stray),
		rare(list, func(c flight) bool { return c.fate.status != c.now.status },
			func(c flight) number { return number(c.fate.status) }),
		rare(list, func(c flight) bool { return c.fate.call != c.id }, func(c flight) blob { return raw(c.fate.call) }),
		rare(list, func(c flight) bool { return c.fate.reason != c.now.reason },
			func(c flight) number { return number(c.fate.reason) }),
		rare(list, func(c flight) bool { return c.fate.error != "" }, func(c flight) blob { return raw(c.fate.error) }),
	)...)
}

func (t *turn) insertFlights(trip *trip, list []*answer) {
	first := list[0] // nearly all are over its carrier and from its number
	trip.ask(insertFlights, t.org.key, t.owner.key, moment(t.step.Now), raw(first.Carrier), raw(first.From),
		column(list, func(a *answer) blob { return raw(a.ID) }),
		column(list, func(a *answer) number { return number(a.fate.batch) }),
		column(list, func(a *answer) number { return number(a.fate.idx) }),
		column(list, func(a *answer) number { return number(a.fate.rev) }),
		rare(list, func(a *answer) bool { return a.fate.attempts != 1 },
			func(a *answer) number { return number(a.fate.attempts) }),
		rare(list, func(a *answer) bool { return a.Carrier != first.Carrier },
			func(a *answer) blob { return raw(a.Carrier) }),
		rare(list, func(a *answer) bool { return a.From != first.From }, func(a *answer) blob { return raw(a.From) }))
}

const (
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

// saveQueue writes who is queued again, and who is no more.
func (t *turn) saveQueue(trip *trip) {
	var again []waiting
	for _, r := range t.fates {
		if r.status == fsm.Queued {
			again = append(again, waiting{r.place, r.attempts})
		}
	}
	t.requeue(trip, deleteAgain, t.taken)
	t.requeue(trip, insertAgain, again)
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

package postgres

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/outdial/outdial/fsm"
)

const (
	updateCalls = `UPDATE outdial.calls c SET status = v.status, in_flight = v.in_flight, unplaced = v.unplaced,
	end_reason = v.reason, rang_at = v.rang, started_at = v.started, ended_at = v.ended, carrier = v.carrier, ref = v.ref,
	error = v.error, tries = v.tries, details = v.details
	FROM unnest($2::bytea[], $3::smallint[], $4::boolean[], $5::boolean[], $6::smallint[], $7::timestamptz[],
		$8::timestamptz[], $9::timestamptz[], $10::bytea[], $11::bytea[], $12::bytea[], $13::bytea[], $14::bytea[])
		AS v (id, status, in_flight, unplaced, reason, rang, started, ended, carrier, ref, error, tries, details)
	WHERE c.org = $1 AND c.id = v.id`

	insertCalls = `INSERT INTO outdial.calls (org, owner, dispatched_at, id, batch, idx, attempt, carrier, caller,
		status, in_flight, unplaced, end_reason, ref, error, tries, details)
	SELECT $1, $2, $3, v.id, v.batch, v.idx, v.attempt, v.carrier, v.caller, 1, true, false, 0, '', '', '', ''
	FROM unnest($4::bytea[], $5::integer[], $6::integer[], $7::integer[], $8::bytea[], $9::bytea[])
		AS v (id, batch, idx, attempt, carrier, caller)`
)

// saveCalls writes the calls that events changed, and those that claims made.
func (t *turn) saveCalls(trip *trip) {
	var list []*call
	byID := func(a, b *call) int { return strings.Compare(a.id, b.id) }
	for _, c := range slices.SortedFunc(maps.Values(t.calls), byID) {
		if c.now != c.was {
			list = append(list, c)
		}
	}
	if len(list) > 0 {
		texts := func(of func(*fields) string) [][]byte {
			return column(list, func(c *call) []byte { return raw(of(&c.now)) })
		}
		when := func(of func(*fields) time.Time) []pgtype.Timestamptz {
			return column(list, func(c *call) pgtype.Timestamptz { return moment(of(&c.now)) })
		}
		trip.ask(updateCalls, t.org.key, column(list, func(c *call) []byte { return raw(c.id) }),
			column(list, func(c *call) int16 { return int16(c.now.status) }),
			column(list, func(c *call) bool { return c.now.status.InFlight() }),
			column(list, func(c *call) bool { return c.now.unplaced }),
			column(list, func(c *call) int16 { return c.now.reason }),
			when(func(f *fields) time.Time { return f.rang }), when(func(f *fields) time.Time { return f.started }),
			when(func(f *fields) time.Time { return f.ended }),
			texts(func(f *fields) string { return f.carrier }), texts(func(f *fields) string { return f.ref }),
			texts(func(f *fields) string { return f.error }), texts(func(f *fields) string { return f.tries }),
			texts(func(f *fields) string { return f.details }))
	}
	t.insertCalls(trip)
}

func (t *turn) insertCalls(trip *trip) {
	var list []answer
	for _, a := range t.answers {
		if a.made {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		return
	}
	slices.SortFunc(list, func(a, b answer) int { return strings.Compare(a.ID, b.ID) })
	trip.ask(insertCalls, t.org.key, t.owner.key, moment(t.step.Now),
		column(list, func(a answer) []byte { return raw(a.ID) }), column(list, func(a answer) int32 { return a.batch }),
		column(list, func(a answer) int32 { return a.idx }), column(list, func(a answer) int32 { return a.attempt }),
		column(list, func(a answer) []byte { return raw(a.Carrier) }),
		column(list, func(a answer) []byte { return raw(a.From) }))
}

// Who is dispatched was claimed by this step, so its caller is told whom to call: the status of no
// other fate is 1.
const updateRecipients = `UPDATE outdial.recipients r SET status = v.status, attempts = v.attempts, call = v.call,
	end_reason = v.reason, error = v.error, rev = v.rev, updated_at = $2
	FROM unnest($3::integer[], $4::integer[], $5::smallint[], $6::integer[], $7::bytea[], $8::smallint[], $9::bytea[],
		$10::bigint[]) AS v (batch, idx, status, attempts, call, reason, error, rev)
	WHERE r.org = $1 AND r.batch = v.batch AND r.idx = v.idx
	RETURNING r.batch, r.idx, CASE WHEN v.status = 1 THEN r.phone END, CASE WHEN v.status = 1 THEN
		(SELECT m.data FROM outdial.metadata m WHERE m.org = r.org AND m.batch = r.batch AND m.idx = r.idx) END`

// saveFates writes what becomes of recipients, and learns what those who claimed are told.
func (t *turn) saveFates(trip *trip) map[place]told {
	list := slices.SortedFunc(maps.Values(t.fates), func(a, b *fate) int {
		return cmp.Or(cmp.Compare(a.batch, b.batch), cmp.Compare(a.idx, b.idx))
	})
	out := map[place]told{}
	if len(list) == 0 {
		return out
	}
	one := func(scan func(...any) error) error {
		var at place
		var what told
		err := scan(&at.batch, &at.idx, (*text)(&what.phone), (*json.RawMessage)(&what.metadata))
		if r := t.fates[at]; r != nil && r.status == fsm.Dispatched {
			out[at] = what
		}
		return err
	}
	trip.each(one, updateRecipients, t.org.key, moment(t.step.Now),
		column(list, func(r *fate) int32 { return r.batch }), column(list, func(r *fate) int32 { return r.idx }),
		column(list, func(r *fate) int16 { return int16(r.status) }), column(list, func(r *fate) int32 { return r.attempts }),
		column(list, func(r *fate) []byte { return raw(r.call) }), column(list, func(r *fate) int16 { return r.reason }),
		column(list, func(r *fate) []byte { return raw(r.error) }), column(list, func(r *fate) int64 { return r.rev }))
	return out
}

package postgres

import (
	"context"
	"fmt"

	"github.com/outdial/outdial/fsm"
)

// The organisations whose counters say something else than the rows of calls in flight, which are
// the truth, or than each other. It is one statement, so it sees whole transactions only, and
// costs what is open, not what is over.
//
// What is counted is brought together by rows that are added up, not by joins: the server takes what a part of a
// statement yields for a row or two, and would compare each batch with each.
const selectMiscounted = `WITH parts AS (
		SELECT b.org, b.batch, t.queued, t.dispatched, t.started, 0 AS calls_dispatched, 0 AS calls_started
		FROM outdial.batches b JOIN outdial.tallies t USING (org, batch)
		WHERE b.open AND ($1::bigint[] IS NULL OR b.org = ANY($1))
		UNION ALL SELECT c.org, c.batch, 0, 0, 0, (c.status = 1)::integer, (c.status = 2)::integer
		FROM outdial.flights c WHERE $1::bigint[] IS NULL OR c.org = ANY($1)),
	counted AS (
		SELECT org, sum(queued) AS queued, sum(calls_dispatched + calls_started) AS in_flight,
			sum(dispatched) <> sum(calls_dispatched) OR sum(started) <> sum(calls_started) AS differs
		FROM parts GROUP BY org, batch),
	sums AS (
		SELECT org, queued, in_flight, differs FROM counted
		UNION ALL SELECT o.org, -o.queued, -o.in_flight, false FROM outdial.organisations o
		WHERE (o.queued <> 0 OR o.in_flight <> 0) AND ($1::bigint[] IS NULL OR o.org = ANY($1))),
	wrong AS (
		SELECT org FROM sums GROUP BY org HAVING sum(queued) <> 0 OR sum(in_flight) <> 0 OR bool_or(differs))
	SELECT o.id FROM wrong JOIN outdial.organisations o USING (org)`

// It reads all of a part of each table, for which the joins that other statements must not use are best. Whether that
// is a part or all is for the plan to know, so each is made for what is asked.
const freePlans = `SELECT set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true),
	set_config('enable_bitmapscan', 'on', true), set_config('plan_cache_mode', 'force_custom_plan', true)`

// recount checks the counters of organisations against the rows of calls in flight, of all where orgs
// is nil, and repairs and logs what is wrong.
func (s *Store) recount(ctx context.Context, orgs []int64) error {
	var wrong []string
	err := s.readers.do(ctx, "", func(ctx context.Context) error {
		return s.read(ctx, func(t *trip) {
			wrong = nil
			t.ask(freePlans)
			t.each(func(scan func(...any) error) error {
				var id text
				err := scan(&id)
				wrong = append(wrong, string(id))
				return err
			}, selectMiscounted, orgs)
		})
	})
	if err != nil {
		return fmt.Errorf("count calls in flight: %w", err)
	}
	for _, id := range wrong {
		s.log.Warn("postgres: the counters of an organisation were wrong and are counted again", "org", id)
		if err := s.repair(ctx, id); err != nil {
			return fmt.Errorf("count again for organisation %s: %w", id, err)
		}
	}
	return nil
}

// repair waits no longer than a method does for who writes to the organisation.
func (s *Store) repair(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.writers.do(ctx, id, func(ctx context.Context) error {
		return s.transact(ctx, func(ctx context.Context, w *work) error {
			r := &repair{work: w, id: id, batches: map[int32]*batch{}}
			return r.run(ctx)
		})
	})
}

// recountLater does so for organisations that were taken over from, whose caller must not wait.
func (s *Store) recountLater(ctx context.Context, orgs []int64) {
	if s.enter() != nil {
		return // closed: whoever opens next counts
	}
	go func() {
		defer s.running.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
		defer cancel()
		if err := s.recount(ctx, orgs); err != nil {
			s.log.Warn("postgres: counting after a takeover", "error", err)
		}
	}()
}

const (
	selectUncounted = "SELECT " + batchColumns + batchTables + ` WHERE b.org = $1 AND (b.open OR b.batch IN (
		SELECT c.batch FROM outdial.flights c WHERE c.org = $1)) ORDER BY b.batch`

	// A failed recipient without a call is one for whom no call was placed.
	selectRecipientCounts = `SELECT r.batch, coalesce(f.status, r.rest), count(*),
		count(*) FILTER (WHERE f.status IS NULL AND r.rest = 4 AND r.call = '')
		FROM outdial.recipients r LEFT JOIN outdial.flights f USING (org, batch, idx)
		WHERE r.org = $1 AND r.batch = ANY($2) GROUP BY r.batch, coalesce(f.status, r.rest)`
)

// repair counts the recipients of what is open in one organisation.
type repair struct {
	*work

	id      string
	org     *org
	batches map[int32]*batch
	order   []*batch
}

func (r *repair) run(ctx context.Context) error {
	t := r.begin(beginWrite)
	r.org = t.lock(r.id)
	t.each(func(scan func(...any) error) error {
		b, err := scanBatch(scan, r.id)
		r.batches[b.key], r.order = b, append(r.order, b)
		b.Counts, b.changed = fsm.Counts{}, true
		return err
	}, selectUncounted, r.org.key)
	if err := r.send(ctx, t); err != nil {
		return err
	}
	t = r.trip()
	t.each(r.count, selectRecipientCounts, r.org.key, column(r.order, func(b *batch) int32 { return b.key }))
	if err := r.send(ctx, t); err != nil {
		return err
	}
	t = r.trip()
	r.org.queued, r.org.inFlight = 0, 0
	r.org.next() // also where no batch is open: what others know of the organisation is true no more
	for _, b := range r.order {
		r.org.queued += int64(b.Counts.Queued)
		r.org.inFlight += b.Counts.InFlight()
		b.seal(r.org, b.UpdatedAt)
		t.saveBatches(r.org, []*batch{b}, b.UpdatedAt)
	}
	r.org.save(t)
	return r.finish(ctx, t)
}

func (r *repair) count(scan func(...any) error) error {
	var key int32
	var status fsm.RecipientStatus
	var count, unplaced int
	err := scan(&key, (*uint8)(&status), &count, &unplaced)
	if b := r.batches[key]; b != nil {
		b.Counts.Add(status, count)
		b.Counts.Unplaced += unplaced
	}
	return err
}

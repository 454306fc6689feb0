package postgres

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/outdial/outdial/store"
)

// batch is a batch inside a write: its rows, changed in memory until they are saved.
type batch struct {
	store.Batch

	key     int32
	fresh   int  // index of the first recipient that was never claimed
	changed bool // since it was sealed
	was     head // as its row of batches has it
}

// head is what may change in a row of batches.
type head struct {
	target                      int
	retries                     int
	admitted, paused, cancelled time.Time
	retryKey                    string
	status                      int16
	open                        bool
}

func (b *batch) head() head {
	return head{
		target: b.Target, retries: b.RetryCount, admitted: whole(b.AdmittedAt), paused: whole(b.PausedAt),
		cancelled: whole(b.CancelledAt), retryKey: b.RetryKey, status: int16(b.Status()), open: !b.Counts.Over(),
	}
}

const (
	batchColumns = `b.batch, t.fresh, b.id, b.name, b.agent, b.number, b.region, b.target, b.first_target, b.weight,
	b.ring_timeout, b.max_duration, b.created_at, t.updated_at, b.scheduled_at, b.admitted_at, b.paused_at,
	b.cancelled_at, b.retry_count, t.queued, t.dispatched, t.started, t.completed, t.failed, t.cancelled,
	t.unplaced, t.rev, b.idem_key, b.key_until, b.retry_key, b.fingerprint`

	batchTables = " FROM outdial.batches b JOIN outdial.tallies t ON t.org = b.org AND t.batch = b.batch"

	selectBatch   = "SELECT " + batchColumns + batchTables + " WHERE b.org = $1 AND b.id = $2"
	selectBatches = "SELECT " + batchColumns + batchTables + " WHERE b.org = $1 AND b.id = ANY($2)"
)

// columns is where batchColumns are scanned into.
func (b *batch) columns() []any {
	return []any{
		&b.key, &b.fresh, (*text)(&b.ID), (*text)(&b.Name), (*text)(&b.AgentID), (*text)(&b.NumberID), (*text)(&b.Region),
		&b.Target, &b.FirstTarget, &b.Weight, (*int64)(&b.RingTimeout), (*int64)(&b.MaxDuration),
		(*instant)(&b.CreatedAt), (*instant)(&b.UpdatedAt), (*instant)(&b.ScheduledAt), (*instant)(&b.AdmittedAt),
		(*instant)(&b.PausedAt), (*instant)(&b.CancelledAt), &b.RetryCount,
		&b.Counts.Queued, &b.Counts.Dispatched, &b.Counts.Started, &b.Counts.Completed, &b.Counts.Failed,
		&b.Counts.Cancelled, &b.Counts.Unplaced, &b.Rev, (*text)(&b.Key), (*instant)(&b.KeyUntil),
		(*text)(&b.RetryKey), (*text)(&b.Fingerprint),
	}
}

// scanBatch reads a row of batchColumns.
func scanBatch(scan func(...any) error, org string) (*batch, error) {
	b := &batch{Batch: store.Batch{Org: org}}
	err := scan(b.columns()...)
	b.was = b.head()
	return b, err
}

// batch asks for one batch. *into stays nil if there is none.
func (t *trip) batch(into **batch, o *org, org, text string, args ...any) {
	t.each(func(scan func(...any) error) (err error) {
		*into, err = scanBatch(scan, org)
		return err
	}, text, append([]any{o.key}, args...)...)
}

// seal ends what a transaction does to a batch: its revision comes after those of its recipients.
func (b *batch) seal(o *org, now time.Time) {
	b.Rev, b.UpdatedAt = o.next(), now
}

const (
	// Its parameters from the third on are those of tallies.
	updateTallies = `UPDATE outdial.tallies t SET rev = v.rev, updated_at = $2, fresh = v.fresh, queued = v.queued,
	dispatched = v.dispatched, started = v.started, completed = v.completed, failed = v.failed,
	cancelled = v.cancelled, unplaced = v.unplaced
	FROM (SELECT unnest($3::integer[]) AS batch, unnest($4::bigint[]) AS rev, unnest($5::integer[]) AS fresh,
		unnest($6::integer[]) AS queued, unnest($7::integer[]) AS dispatched, unnest($8::integer[]) AS started,
		unnest($9::integer[]) AS completed, unnest($10::integer[]) AS failed, unnest($11::integer[]) AS cancelled,
		unnest($12::integer[]) AS unplaced) v`

	saveTallies = updateTallies + " WHERE t.org = $1 AND t.batch = v.batch"

	saveHeads = `UPDATE outdial.batches b SET target = v.target, retry_count = v.retries, admitted_at = v.admitted,
	paused_at = v.paused, cancelled_at = v.cancelled,
	retry_key = coalesce(v.retry_key, b.retry_key), status = v.status, open = v.open
	FROM unnest($2::integer[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
		$8::bytea[], $9::smallint[], $10::boolean[])
		AS v (batch, target, retries, admitted, paused, cancelled, retry_key, status, open)
	WHERE b.org = $1 AND b.batch = v.batch`
)

// saveBatches writes those that were changed, which were sealed at that time, and those whose row of
// batches says something else now.
func (t *trip) saveBatches(o *org, list []*batch, at time.Time) {
	var changed []*batch
	for _, b := range list {
		if b.changed {
			changed = append(changed, b)
		}
	}
	t.saveTallies(o, changed, at)
	t.saveHeads(o, list)
}

func (t *trip) saveTallies(o *org, list []*batch, at time.Time) {
	if len(list) > 0 {
		t.ask(saveTallies, append([]any{o.key, moment(at)}, tallies(list)...)...)
	}
}

// tallies are what updateTallies unnests.
func tallies(list []*batch) []any {
	count := func(of func(*batch) int) array[number] {
		return column(list, func(b *batch) number { return number(of(b)) })
	}
	return []any{
		column(list, func(b *batch) number { return number(b.key) }),
		column(list, func(b *batch) number { return number(b.Rev) }),
		count(func(b *batch) int { return b.fresh }), count(func(b *batch) int { return b.Counts.Queued }),
		count(func(b *batch) int { return b.Counts.Dispatched }), count(func(b *batch) int { return b.Counts.Started }),
		count(func(b *batch) int { return b.Counts.Completed }), count(func(b *batch) int { return b.Counts.Failed }),
		count(func(b *batch) int { return b.Counts.Cancelled }), count(func(b *batch) int { return b.Counts.Unplaced }),
	}
}

func (t *trip) saveHeads(o *org, all []*batch) {
	var list []*batch
	for _, b := range all {
		if b.head() != b.was {
			list = append(list, b)
		}
	}
	if len(list) == 0 {
		return
	}
	when := func(of func(*batch) time.Time) array[pgtype.Timestamptz] {
		return column(list, func(b *batch) pgtype.Timestamptz { return moment(of(b)) })
	}
	t.ask(saveHeads, o.key,
		column(list, func(b *batch) int32 { return b.key }),
		column(list, func(b *batch) int64 { return int64(b.Target) }),
		column(list, func(b *batch) int64 { return int64(b.RetryCount) }),
		when(func(b *batch) time.Time { return b.AdmittedAt }), when(func(b *batch) time.Time { return b.PausedAt }),
		when(func(b *batch) time.Time { return b.CancelledAt }),
		column(list, func(b *batch) []byte {
			if b.RetryKey == b.was.retryKey {
				return nil // that of a retry which was no change of the batch may be there, and not be known
			}
			return raw(b.RetryKey)
		}),
		column(list, func(b *batch) int16 { return int16(b.Status()) }),
		column(list, func(b *batch) bool { return !b.Counts.Over() }))
}

// column is one value of each row, as unnest takes it.
func column[R, V any](rows []R, of func(R) V) array[V] {
	out := make(array[V], len(rows))
	for i, r := range rows {
		out[i] = of(r)
	}
	return out
}

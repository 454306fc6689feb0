package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

var (
	errAction   = errors.New("unknown action")
	errMiscount = errors.New("the recipients are not as many as the batch says")
)

// Change implements [store.Store].
func (s *Store) Change(ctx context.Context, org, id string, c store.Change) (store.Batch, error) {
	var out store.Batch
	err := s.writing(ctx, org, func(ctx context.Context, w *work) (err error) {
		s.known.doubt(orgKey(org))
		a := &amendment{work: w, Change: c, org: org, id: id}
		out, err = a.run(ctx)
		return err
	})
	if err != nil {
		return store.Batch{}, failed("change batch", id, err)
	}
	s.announcer.changed(org) // also where nothing was left to change: nobody has told of what an earlier try wrote
	return out, nil
}

// amendment is one Change on its way.
type amendment struct {
	*work
	store.Change

	org, id string
	in      *org
	batch   *batch
	call    struct { // that is to be hung up
		known    bool
		inFlight bool
		at       time.Time
	}
}

const selectHangUp = `SELECT c.flies, c.hang_up_at FROM
	(SELECT true AS flies, c.batch, c.hang_up_at FROM outdial.flights c WHERE c.org = $1 AND c.id = $2
	UNION ALL SELECT false, c.batch, c.hang_up_at FROM outdial.calls c WHERE c.org = $1 AND c.id = $2) c
	WHERE c.batch = (SELECT b.batch FROM outdial.batches b WHERE b.org = $1 AND b.id = $3)`

func (a *amendment) run(ctx context.Context) (store.Batch, error) {
	t := a.begin(beginWrite)
	a.in = t.lock(a.org)
	t.batch(&a.batch, a.in, a.org, selectBatch, raw(a.id))
	if a.Action == store.ActionHangUp {
		t.find(&a.call.known, selectHangUp, []any{a.in.key, raw(a.CallID), raw(a.id)},
			[]any{&a.call.inFlight, (*instant)(&a.call.at)})
	}
	if err := a.send(ctx, t); err != nil {
		return store.Batch{}, err
	}
	if !a.in.known || a.batch == nil {
		return store.Batch{}, store.ErrNotFound
	}
	t = a.trip()
	if err := a.apply(ctx, t); err != nil {
		return store.Batch{}, err
	}
	if a.batch.changed {
		a.batch.seal(a.in, a.At)
		a.in.save(t)
	}
	t.saveBatches(a.in, []*batch{a.batch}, a.At)
	return a.batch.Batch, a.finish(ctx, t)
}

func (a *amendment) apply(ctx context.Context, t *trip) error {
	b := a.batch
	switch a.Action {
	case store.ActionCancel:
		return a.cancel(ctx)
	case store.ActionPause:
		if b.CancelledAt.IsZero() && b.PausedAt.IsZero() {
			b.PausedAt, b.changed = a.At, true
		}
	case store.ActionResume:
		if b.CancelledAt.IsZero() && !b.PausedAt.IsZero() {
			b.PausedAt, b.changed = time.Time{}, true
		}
	case store.ActionRetry:
		return a.retry(ctx)
	case store.ActionSetTarget:
		b.changed = b.Target != a.Target
		b.Target = a.Target
	case store.ActionHangUp:
		return a.hangUp(t)
	default:
		return fmt.Errorf("%w %d", errAction, a.Action)
	}
	return nil
}

func (a *amendment) cancel(ctx context.Context) error {
	b := a.batch
	if b.Counts.Over() || !b.CancelledAt.IsZero() {
		return nil
	}
	b.CancelledAt, b.changed = a.At, true
	t := a.trip()
	t.ask(clearAgain, a.in.key, b.key)
	return a.moveAll(ctx, t, fsm.Queued, fsm.Cancel)
}

func (a *amendment) retry(ctx context.Context) error {
	b := a.batch
	switch {
	case a.Key != "" && a.Key == b.RetryKey:
		return nil
	case b.Status() == fsm.BatchCancelled:
		return store.ErrBatchCancelled
	}
	set(&b.RetryKey, a.Key) // which is no change of its own
	if b.Counts.Failed == 0 {
		return nil
	}
	b.CancelledAt, b.changed = time.Time{}, true
	b.RetryCount++
	b.Counts.Unplaced = 0
	t := a.trip() // first, since nothing tells them from the others that are queued once they are moved
	t.ask(fillAgain, a.in.key, b.key, int16(fsm.Failed))
	return a.moveAll(ctx, t, fsm.Failed, fsm.Retry)
}

const (
	clearAgain = "DELETE FROM outdial.again WHERE org = $1 AND batch = $2"

	fillAgain = `INSERT INTO outdial.again (org, batch, attempts, idx)
	SELECT r.org, r.batch, r.attempts, r.idx FROM outdial.recipients r WHERE r.org = $1 AND r.batch = $2 AND r.rest = $3
	ORDER BY r.org, r.batch, r.idx` // which only the index of a batch's recipients has

	// Those in flight are as their call says, whatever their own row does.
	moveRecipients = `UPDATE outdial.recipients r SET rest = $4, call = '', end_reason = 0, error = '',
	updated_at = $5, rev = $6 + v.place
	FROM (SELECT idx, row_number() OVER (ORDER BY idx) AS place FROM outdial.recipients q
		WHERE org = $1 AND batch = $2 AND rest = $3
			AND NOT EXISTS (SELECT FROM outdial.flights f WHERE f.org = $1 AND f.batch = $2 AND f.idx = q.idx)) v
	WHERE r.org = $1 AND r.batch = $2 AND r.idx = v.idx`
)

// moveAll has every recipient in a status take the event, each under its own revision. The batch
// knows how many there are: that they are as many is seen before the transaction goes on. t is what is to be
// sent before.
func (a *amendment) moveAll(ctx context.Context, t *trip, from fsm.RecipientStatus, event fsm.RecipientEvent) error {
	to, err := from.Next(event)
	if err != nil {
		return fmt.Errorf("recipients: %w", err)
	}
	want, got := a.batch.Counts.Of(from), int64(0)
	t.ask(moveRecipients, a.in.key, a.batch.key, int16(from), int16(to), moment(a.At), a.in.rev).
		Exec(func(tag pgconn.CommandTag) error {
			got = tag.RowsAffected()
			return nil
		})
	if err := a.send(ctx, t); err != nil {
		return fmt.Errorf("recipients: %w", err)
	}
	if got != int64(want) {
		return fmt.Errorf("%w: %d that are %s, found %d", errMiscount, want, from, got)
	}
	a.in.rev += got
	a.in.move(a.batch, from, to, want)
	return nil
}

const updateHangUp = "UPDATE outdial.flights SET hang_up_at = $3 WHERE org = $1 AND id = $2"

// hangUp finds a call that is over as well: asking for its end changes nothing.
func (a *amendment) hangUp(t *trip) error {
	if !a.call.known {
		return fmt.Errorf("call %s: %w", a.CallID, store.ErrNotFound)
	}
	if !a.call.inFlight || !a.call.at.IsZero() {
		return nil
	}
	a.batch.changed = true
	t.ask(updateHangUp, a.in.key, raw(a.CallID), moment(a.At))
	return nil
}

package batch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// Create queues a batch of calls for the organisation and returns it. When it has
// returned without an error the batch is durable, and every recipient will reach an end or
// be queued for a reason that Why tells.
//
// *InvalidError lists every field that cannot be accepted. ErrNotFound: the organisation,
// or the agent or the number, of which *MissingError tells. ErrUsageLimit, ErrKeyReused. After any other error it is
// unknown whether the batch was created, unless the request has a Key: then it can
// be repeated.
func (e *Engine) Create(ctx context.Context, org string, r Request) (store.Batch, error) {
	b, _, err := e.CreateOnce(ctx, org, r)
	return b, err
}

// CreateOnce is Create for who wants to know whether the batch is that of an earlier request
// with the same Key. Such a batch is returned as it is now.
func (e *Engine) CreateOnce(ctx context.Context, org string, r Request) (b store.Batch, replayed bool, err error) {
	now := e.now()
	if b, err = e.replayed(ctx, org, r, now); err != nil || b.ID != "" {
		return b, err == nil, err
	}
	p := places{}
	p.check(r, now, e.cfg.MaxMetadata)
	o, n, err := e.lookUp(ctx, org, r, &p)
	if err != nil {
		return store.Batch{}, false, err
	}
	if b, err = e.newBatch(org, r, o, n, now); err != nil {
		return store.Batch{}, false, err
	}
	found, err := e.insert(ctx, b, newRecipients(r))
	if err != nil {
		return store.Batch{}, false, fmt.Errorf("batch: creating a batch: %w", err)
	}
	if found.ID != b.ID && found.Fingerprint != b.Fingerprint {
		return store.Batch{}, false, fmt.Errorf("batch: key %.40q: %w", r.Key, ErrKeyReused)
	}
	e.changed(org, found.ID)
	return found, found.ID != b.ID, nil
}

// replayed finds the batch that a request with the same key made before. It comes before the
// checks: what was in order then need not be so any more, such as a time to begin.
func (e *Engine) replayed(ctx context.Context, org string, r Request, now time.Time) (store.Batch, error) {
	if r.Key == "" || len(r.Key) > store.MaxKey {
		return store.Batch{}, nil
	}
	found, err := e.Batches(ctx, store.BatchQuery{Org: org, Key: r.Key, Limit: 1})
	if err != nil {
		return store.Batch{}, err
	}
	if len(found) == 0 || (!found[0].KeyUntil.IsZero() && !found[0].KeyUntil.After(now)) {
		return store.Batch{}, nil
	}
	if fingerprint(r) != found[0].Fingerprint {
		return store.Batch{}, fmt.Errorf("batch: key %.40q: %w", r.Key, ErrKeyReused)
	}
	return found[0], nil
}

// lookUp asks the directory and checks the request against its answers. Mistakes of the
// request are told before what does not exist, all of them at once.
func (e *Engine) lookUp(ctx context.Context, org string, r Request, p *places) (Organisation, Number, error) {
	o, err := e.cfg.Directory.Organisation(ctx, org)
	if err != nil {
		return o, Number{}, fmt.Errorf("batch: organisation %.40q: %w", org, err)
	}
	p.checkTarget(r, o)
	n, noNumber := e.number(ctx, org, r, p)
	if err := p.err(); err != nil {
		return o, n, err
	}
	_, noAgent := e.cfg.Directory.Agent(ctx, org, r.AgentID)
	if err := missing(r, noAgent, noNumber); err != nil {
		return o, n, err
	}
	if o.UsageExceeded {
		return o, n, fmt.Errorf("batch: organisation %.40q: %w", org, ErrUsageLimit)
	}
	return o, n, nil
}

func (e *Engine) number(ctx context.Context, org string, r Request, p *places) (Number, error) {
	if r.NumberID == "" {
		return Number{}, nil // told already
	}
	n, err := e.cfg.Directory.Number(ctx, org, r.NumberID)
	if err == nil {
		p.checkNumber(r, n)
	}
	return n, err
}

// missing makes one error of what the directory said of agent and number.
func missing(r Request, agent, number error) error {
	var errs []error
	var none []FieldError
	for _, x := range []struct {
		field, what, id string
		err             error
	}{
		{"agent_id", "agent", r.AgentID, agent},
		{"from_number_id", "number", r.NumberID, number},
	} {
		switch {
		case x.err == nil:
		case errors.Is(x.err, ErrNotFound):
			none = append(none, FieldError{x.field, fmt.Sprintf("there is no %s %.40q", x.what, x.id)})
		default:
			errs = append(errs, fmt.Errorf("batch: %s %.40q: %w", x.what, x.id, x.err))
		}
	}
	if none != nil {
		errs = append(errs, fmt.Errorf("batch: %w", &MissingError{Fields: none}))
	}
	return errors.Join(errs...)
}

func (e *Engine) newBatch(org string, r Request, o Organisation, n Number, now time.Time) (store.Batch, error) {
	id, err := store.NewBatchID(now, e.cfg.Random)
	if err != nil {
		return store.Batch{}, fmt.Errorf("batch: %w", err)
	}
	const half = 2
	b := store.Batch{
		Org: org, ID: id, Name: r.Name, AgentID: r.AgentID, NumberID: r.NumberID,
		Region:      firstOf(r.Region, n.Region, o.Region, regions()[0]),
		Target:      orElse(r.Target, max(o.ConcurrencyLimit/half, 1)),
		Weight:      orElse(r.Weight, 1),
		RingTimeout: orElse(r.RingTimeout, DefaultRingTimeout),
		MaxDuration: orElse(r.MaxDuration, DefaultMaxDuration),
		CreatedAt:   now, UpdatedAt: now,
		Key: r.Key, KeyUntil: stored(r.KeyUntil), ScheduledAt: stored(r.ScheduledAt),
	}
	b.FirstTarget = b.Target
	if r.Paused {
		b.PausedAt = now
	}
	b.Fingerprint = fingerprint(r)
	return b, nil
}

func newRecipients(r Request) []store.NewRecipient {
	rs := make([]store.NewRecipient, len(r.Recipients))
	for i, x := range r.Recipients {
		rs[i] = store.NewRecipient{To: dialer.Phone(x.To), Metadata: x.Metadata}
	}
	return rs
}

// insert takes the batch to the store. Under the same id it can be sent again when the
// answer was lost, so a passing fault of the store is not the caller's to deal with.
func (e *Engine) insert(ctx context.Context, b store.Batch, rs []store.NewRecipient) (found store.Batch, err error) {
	err = e.write(ctx, func(ctx context.Context) error {
		found, err = e.cfg.Store.CreateBatch(ctx, b, rs)
		return err
	})
	return found, err
}

// write does something to the store that may be repeated, a few times if need be.
func (e *Engine) write(ctx context.Context, do func(context.Context) error) error {
	const tries = 4
	wait := 20 * time.Millisecond
	for try := 1; ; try++ {
		err := e.writeOnce(ctx, do)
		if err == nil || isFinal(err) || try == tries || ctx.Err() != nil {
			return err
		}
		e.sys.wait(ctx, nil, e.sys.now().Add(wait))
		wait *= 2
	}
}

func (e *Engine) writeOnce(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := e.sys.timeout(ctx, e.cfg.StoreTimeout)
	defer cancel()
	return do(ctx)
}

// isFinal says that repeating changes nothing.
func isFinal(err error) bool {
	for _, final := range []error{
		store.ErrNotFound, store.ErrBatchCancelled, store.ErrClosed, store.ErrNewerSchema, store.ErrNotOwner,
	} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}

// stored is a time in UTC and the precision that is stored.
func stored(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

func firstOf(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}

func orElse[T comparable](x, fallback T) T {
	var zero T
	if x == zero {
		return fallback
	}
	return x
}

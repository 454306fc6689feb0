package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/outdial/outdial/store"
)

// Batch implements [store.Store].
func (s *Store) Batch(ctx context.Context, org, id string) (store.Batch, error) {
	o, err := s.lock(ctx, org)
	if err != nil {
		return store.Batch{}, err
	}
	defer o.mu.Unlock()
	if b := o.byID[id]; b != nil {
		return b.Batch, nil
	}
	return store.Batch{}, fmt.Errorf("memory: batch %s: %w", id, store.ErrNotFound)
}

// Call implements [store.Store].
func (s *Store) Call(ctx context.Context, org, id string) (store.Call, error) {
	o, err := s.lock(ctx, org)
	if err != nil {
		return store.Call{}, err
	}
	defer o.mu.Unlock()
	if c := o.callByID[id]; c != nil {
		return clone(c), nil
	}
	return store.Call{}, fmt.Errorf("memory: call %s: %w", id, store.ErrNotFound)
}

// Batches implements [store.Store].
func (s *Store) Batches(ctx context.Context, q store.BatchQuery) ([]store.Batch, error) {
	o, err := s.lock(ctx, q.Org)
	if err != nil {
		return nil, err
	}
	defer o.mu.Unlock()
	rows, id := o.batches, func(b *batch) string { return b.ID }
	if q.Open { // asked for all the time, so it must not cost what is over
		rows = sorted(maps.Keys(o.open), id)
	}
	if q.Key != "" {
		rows = nil
		if b := o.byKey[q.Key]; b != nil {
			rows = []*batch{b}
		}
	}
	match := func(b *batch) bool {
		return in(q.Statuses, b.Status()) && (!q.Open || o.open[b]) && (q.AgentID == "" || q.AgentID == b.AgentID) &&
			!b.CreatedAt.Before(q.CreatedFrom) && (q.CreatedTo.IsZero() || b.CreatedAt.Before(q.CreatedTo))
	}
	p := within(rows, id, q.After, q.Before, q.Limit)
	if q.ByRev { // asked for all the time, too: it sorts what is new alone
		p = page[*batch]{rows: since(rows, q.AfterRev), limit: q.Limit}
	}
	found := p.find(match)
	out := slices.Grow([]store.Batch(nil), len(found))
	for _, b := range found {
		out = append(out, b.Batch)
	}
	return out, nil
}

// since returns the batches that were changed since a revision, by revision.
func since(rows []*batch, rev int64) (out []*batch) {
	for _, b := range rows {
		if b.Rev > rev {
			out = append(out, b)
		}
	}
	slices.SortFunc(out, func(a, b *batch) int { return cmp.Compare(a.Rev, b.Rev) })
	return out
}

// Calls implements [store.Store].
func (s *Store) Calls(ctx context.Context, q store.CallQuery) ([]store.Call, error) {
	o, err := s.lock(ctx, q.Org)
	if err != nil {
		return nil, err
	}
	defer o.mu.Unlock()
	rows, id := o.calls, func(c *store.Call) string { return c.ID }
	if b := o.byID[q.BatchID]; b != nil {
		rows = b.calls
	}
	match := func(c *store.Call) bool {
		return (q.BatchID == "" || q.BatchID == c.BatchID) && (q.AgentID == "" || q.AgentID == c.AgentID) &&
			(q.Recipient == nil || *q.Recipient == c.Index) && (q.Owner == "" || q.Owner == c.Owner) &&
			(!q.HangUp || !c.HangUpAt.IsZero()) && !c.DispatchedAt.Before(q.DispatchedFrom) &&
			(q.DispatchedTo.IsZero() || !c.DispatchedAt.After(q.DispatchedTo))
	}
	if q.InFlight {
		rows = nil
		for c := range o.inFlight {
			if match(c) {
				rows = append(rows, c)
			}
		}
		slices.SortFunc(rows, func(a, b *store.Call) int { return cmp.Compare(a.ID, b.ID) })
	}
	found := within(rows, id, q.After, q.Before, q.Limit).find(match)
	out := slices.Grow([]store.Call(nil), len(found))
	for _, c := range found {
		out = append(out, clone(c))
	}
	return out, nil
}

// Recipients implements [store.Store].
func (s *Store) Recipients(ctx context.Context, q store.RecipientQuery) ([]store.Recipient, error) {
	out, err := s.recipients(ctx, q)
	for i := range out { // not under the lock, since the bytes of metadata never change
		out[i].Metadata = slices.Clone(out[i].Metadata)
	}
	return out, err
}

func (s *Store) recipients(ctx context.Context, q store.RecipientQuery) (out []store.Recipient, err error) {
	o, err := s.lock(ctx, q.Org)
	if err != nil {
		return nil, err
	}
	defer o.mu.Unlock()
	found := o.find(q)
	out = slices.Grow(out, len(found))
	for _, c := range found {
		out = append(out, *c)
		if q.NoMetadata {
			out[len(out)-1].Metadata = nil
		}
	}
	return out, nil
}

// find returns the recipients that q asks for, still the store's own.
func (o *org) find(q store.RecipientQuery) (out []*store.Recipient) {
	match := func(r *store.Recipient) bool { return in(q.Statuses, r.Status) && in(q.EndReasons, r.EndReason) }
	if b := o.byID[q.BatchID]; !q.ByRev && b != nil {
		low, high := min(max(q.From, 0), len(b.recipients)), len(b.recipients)
		if q.Before != 0 {
			high = max(low, min(high, q.Before))
		}
		return page[*store.Recipient]{rows: b.recipients[low:high], last: q.Before != 0, limit: q.Limit}.find(match)
	}
	if q.ByRev {
		rows := o.feed[after(o.feed, func(c change) int64 { return c.rev }, q.AfterRev):]
		latest := func(c change) bool {
			return !c.stale() && match(c.Recipient) && (q.BatchID == "" || q.BatchID == c.BatchID)
		}
		for _, c := range (page[change]{rows: rows, limit: q.Limit}).find(latest) {
			out = append(out, c.Recipient)
		}
	}
	return out
}

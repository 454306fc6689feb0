package batch

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/outdial/outdial/store"
)

// Change is one thing that changed: a batch or a recipient, as it is now.
type Change struct {
	// Cursor is the revision of the change. Watching on from it gives everything that
	// changed since, whatever happened to this process in between.
	Cursor int64

	Batch     *store.Batch     // nil: it is a recipient
	Recipient *store.Recipient // without its metadata
}

// A watcher reads at most this many rows at a time and at most this often: what changes
// more often in between is seen once, in its latest state.
const (
	watchPage     = 500
	watchInterval = 50 * time.Millisecond
)

// Watch yields what changed after the cursor, in the order of the changes, and then what
// changes, until ctx ends, which ends it without an error. From cursor 0 the first thing
// yielded is the present state of everything. An empty batchID watches all batches of the
// organisation. ErrNotFound for an unknown batch.
//
// It yields states, not events: something that changes twice between two reads is
// seen once. It reads from the store at its own pace, so a slow loop body slows
// nothing but itself. After an error of the store it ends; watching on from the last
// cursor loses nothing.
func (e *Engine) Watch(ctx context.Context, org, batchID string, after int64) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		for {
			next, err := e.Next(ctx, org, batchID, after)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				yield(Change{}, err)
				return
			}
			for _, c := range next {
				if after = c.Cursor; !yield(c, nil) {
					return
				}
			}
			if len(next) < watchPage && !pause(ctx, nil, watchInterval) {
				return
			}
		}
	}
}

// Next is one step of Watch, for who serves many watchers from one: it returns the changes
// after the cursor, in their order, some hundreds at most, and waits where there are none yet.
// The last one's cursor is where to go on; what changed in the meantime comes then. Who
// asks for one page after the other sets the pace: each is two reads of the store.
//
// The context's error where ctx ends first; ErrNotFound for an unknown batch.
func (e *Engine) Next(ctx context.Context, org, batchID string, after int64) ([]Change, error) {
	w := watcher{e: e, org: org, batch: batchID, cursor: after}
	for {
		if err := w.look(ctx); err != nil || len(w.changes) > 0 {
			return w.changes, err
		}
	}
}

// pause waits for news, or long enough for another process to have written some. It says
// whether ctx goes on.
func pause(ctx context.Context, news <-chan struct{}, most time.Duration) bool {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-news:
	case <-timer.C:
	}
	return true
}

type watcher struct {
	e       *Engine
	org     string
	batch   string
	cursor  int64
	changes []Change
}

// look reads, and waits for news where there was nothing.
func (w *watcher) look(ctx context.Context) error {
	news, leave := w.e.feed.wait(watched{org: w.org, id: w.batch}) // before reading: what is written after it rings
	defer leave()
	err := w.read(ctx)
	if err == nil && len(w.changes) == 0 {
		pause(ctx, news, w.e.cfg.PollInterval)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("batch: watching organisation %.40q: %w", w.org, context.Cause(ctx))
	}
	return err
}

// read reads one page of changes.
//
// The batches are read first. A batch's revision is never below that of its recipients,
// so up to the highest one that was read, everything is there to be read; what was written
// meanwhile has a higher one and its turn later.
func (w *watcher) read(ctx context.Context) error {
	batches, err := w.batches(ctx)
	if err != nil || len(batches) == 0 {
		return err
	}
	bound := batches[len(batches)-1].Rev
	recipients, err := w.e.cfg.Store.Recipients(ctx, store.RecipientQuery{
		Org: w.org, BatchID: w.batch, ByRev: true, AfterRev: w.cursor, Limit: watchPage, NoMetadata: true,
	})
	if err != nil {
		return fmt.Errorf("batch: watching organisation %q: %w", w.org, err)
	}
	if len(recipients) == watchPage {
		bound = min(bound, recipients[watchPage-1].Rev)
	}
	w.merge(batches, recipients, bound)
	return nil
}

func (w *watcher) batches(ctx context.Context) ([]store.Batch, error) {
	if w.batch == "" {
		batches, err := w.e.cfg.Store.Batches(ctx, store.BatchQuery{
			Org: w.org, ByRev: true, AfterRev: w.cursor, Limit: watchPage,
		})
		if err != nil {
			return nil, fmt.Errorf("batch: watching organisation %q: %w", w.org, err)
		}
		return batches, nil
	}
	b, err := w.e.cfg.Store.Batch(ctx, w.org, w.batch)
	if err != nil {
		return nil, fmt.Errorf("batch: watching batch %.40q: %w", w.batch, err)
	}
	if b.Rev <= w.cursor {
		return nil, nil
	}
	return []store.Batch{b}, nil
}

// merge puts both in the order of their revisions, up to bound.
func (w *watcher) merge(batches []store.Batch, recipients []store.Recipient, bound int64) {
	for {
		batch, recipient := int64(0), int64(0)
		if len(batches) > 0 && batches[0].Rev <= bound {
			batch = batches[0].Rev
		}
		if len(recipients) > 0 && recipients[0].Rev <= bound {
			recipient = recipients[0].Rev
		}
		switch {
		case batch == 0 && recipient == 0:
			return
		case recipient == 0 || (batch != 0 && batch < recipient):
			w.changes = append(w.changes, Change{Cursor: batch, Batch: &batches[0]})
			batches = batches[1:]
		default:
			w.changes = append(w.changes, Change{Cursor: recipient, Recipient: &recipients[0]})
			recipients = recipients[1:]
		}
	}
}

// feed wakes watchers: those of a batch by the batch's own changes only, or a thousand who watch
// other batches would all look for every call that ends.
type feed struct {
	mu   sync.Mutex
	news map[watched]*news // absent: nobody waits
}

type news struct {
	rung    chan struct{} // closed at the next change
	waiting int
}

// watched is a batch, or an organisation where id is empty.
type watched struct{ org, id string }

func newFeed() *feed { return &feed{news: map[watched]*news{}} }

// wait returns a channel that is closed at the next change. The last to leave takes what there is
// to keep with it.
func (f *feed) wait(w watched) (rung <-chan struct{}, leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.news[w]
	if n == nil {
		n = &news{rung: make(chan struct{})}
		f.news[w] = n
	}
	n.waiting++
	return n.rung, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if n.waiting--; n.waiting == 0 && f.news[w] == n {
			delete(f.news, w)
		}
	}
}

func (f *feed) changed(org string, batches ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ring(watched{org: org})
	for _, id := range batches {
		f.ring(watched{org: org, id: id})
	}
}

func (f *feed) ring(w watched) {
	if n := f.news[w]; n != nil {
		close(n.rung)
		delete(f.news, w)
	}
}

package batch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// directory is a Directory that tests change while it is in use. Every organisation
// that it has knows the same agent and number.
type directory struct {
	mu     sync.Mutex
	orgs   map[string]batch.Organisation
	number batch.Number
	err    error // what it answers instead
}

func (d *directory) Organisation(_ context.Context, org string) (batch.Organisation, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o, ok := d.orgs[org]
	if !ok {
		return o, errors.Join(batch.ErrNotFound, d.err)
	}
	return o, d.err
}

func (d *directory) Agent(_ context.Context, org, id string) (dialer.Agent, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return dialer.Agent{}, d.err
	}
	if _, ok := d.orgs[org]; !ok || id != "agent" {
		return dialer.Agent{}, batch.ErrNotFound
	}
	return dialer.Agent{ID: id, URL: "wss://agents.example/agent"}, nil
}

func (d *directory) Number(_ context.Context, org, id string) (batch.Number, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return batch.Number{}, d.err
	}
	if _, ok := d.orgs[org]; !ok || id != "number" {
		return batch.Number{}, batch.ErrNotFound
	}
	return d.number, nil
}

func (d *directory) set(change func(*directory)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

func (d *directory) limit(org string, n int) {
	d.set(func(d *directory) { d.orgs[org] = batch.Organisation{ConcurrencyLimit: n} })
}

// world is an engine with everything around it, in a synctest bubble or out of it.
type world struct {
	t       *testing.T
	dir     *directory
	carrier *fake.Carrier
	cfg     batch.Config
	engine  *batch.Engine
	stop    func() error // ends Run and returns its error
}

const org = "acme"

// newWorld makes a world with a limit of 10, in which calls take no time unless it is
// scripted otherwise. Nothing runs yet.
func newWorld(t *testing.T, limits dialer.Limits, change ...func(*batch.Config)) *world {
	t.Helper()
	carrier, err := fake.New(fake.Config{Books: true, Limits: limits, Shares: fake.Shares{Answer: 1}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, carrier.Close()) })
	w := &world{
		t: t, carrier: carrier,
		dir: &directory{
			orgs:   map[string]batch.Organisation{org: {ConcurrencyLimit: 10}},
			number: batch.Number{E164: "+442079460000", Carriers: []string{"fake"}},
		},
	}
	w.cfg = batch.Config{
		Store: memory.New(), Directory: w.dir,
		Dialers: map[string]dialer.Dialer{"fake": carrier.WithoutResume()},
	}
	for _, c := range change {
		c(&w.cfg)
	}
	w.engine = w.newEngine()
	return w
}

func (w *world) newEngine() *batch.Engine {
	w.t.Helper()
	e, err := batch.New(w.cfg)
	require.NoError(w.t, err)
	return e
}

// run has the engine dial until stop is called or the test ends.
func (w *world) run() {
	w.t.Helper()
	stop := runEngine(w.engine)
	w.stop = stop
	w.t.Cleanup(func() { require.NoError(w.t, stop()) })
}

func runEngine(e *batch.Engine) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	return sync.OnceValue(func() error {
		cancel()
		return <-done
	})
}

// restart makes a new engine over the same store and carrier and runs it.
func (w *world) restart() {
	w.t.Helper()
	w.engine = w.newEngine()
	w.run()
}

func numbers(first, n int) []batch.RecipientRequest {
	rs := make([]batch.RecipientRequest, n)
	for i := range rs {
		rs[i].To = number(first + i)
	}
	return rs
}

func number(i int) string { return fmt.Sprintf("+1202555%04d", i) }

func request(n int) batch.Request {
	return batch.Request{Name: "test", AgentID: "agent", NumberID: "number", Recipients: numbers(0, n)}
}

func (w *world) create(r batch.Request) store.Batch { return w.createFor(org, r) }

func (w *world) createFor(org string, r batch.Request) store.Batch {
	w.t.Helper()
	b, err := w.engine.Create(w.t.Context(), org, r)
	require.NoError(w.t, err)
	require.Equal(w.t, len(r.Recipients), b.Counts.Scheduled())
	return b
}

// script has the numbers from first on behave like that.
func (w *world) script(first, n int, attempts ...fake.Behaviour) {
	for i := range n {
		w.carrier.Script(dialer.Phone(number(first+i)), attempts...)
	}
}

func (w *world) batch(id string) store.Batch { return w.batchOf(org, id) }

func (w *world) batchOf(org, id string) store.Batch {
	w.t.Helper()
	b, err := w.engine.Batch(w.t.Context(), org, id)
	require.NoError(w.t, err)
	return b
}

func (w *world) recipients(id string) []store.Recipient {
	w.t.Helper()
	rs, err := w.engine.Recipients(w.t.Context(), store.RecipientQuery{Org: org, BatchID: id})
	require.NoError(w.t, err)
	return rs
}

// await waits until the batch is as cond says, at most for that long.
func (w *world) await(id string, most time.Duration, cond func(fsm.Counts) bool) store.Batch {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), most)
	defer cancel()
	for c, err := range w.engine.Watch(ctx, org, id, 0) {
		require.NoError(w.t, err)
		if c.Batch != nil && cond(c.Batch.Counts) {
			return *c.Batch
		}
	}
	b := w.batch(id)
	w.t.Fatalf("the batch is not as expected after %v: %+v", most, b.Counts)
	return b
}

func (w *world) awaitOver(id string, most time.Duration) store.Batch {
	w.t.Helper()
	return w.await(id, most, fsm.Counts.Over)
}

// judge has the carrier's books judge what was done.
func (w *world) judge() fake.Books {
	w.t.Helper()
	books := w.carrier.Books()
	require.Empty(w.t, books.DoubleRings(), "an attempt rang twice")
	require.Empty(w.t, books.DoublePlaced(), "an attempt was placed twice")
	return books
}

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// pass lets time pass in a bubble, where it costs none.
func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // a bubble's clock, not the machine's

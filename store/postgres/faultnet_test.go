package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
	"github.com/outdial/outdial/store/postgres/internal/faultnet"
)

// Three nodes behind networks that delay, cut, swallow and reset. Each repeats what failed until it is answered, and
// takes on a new name where it has lost its lease, as the engine does.
func TestNobodyIsClaimedTwiceWhateverTheNetworkDoes(t *testing.T) {
	t.Parallel()
	const nodes, size, limit = 3, 100, 7
	address := cluster.url(t)
	near := open(t, postgres.Config{URL: address, NoHints: true})
	src := newSource()
	b, err := near.CreateBatch(t.Context(), src.batch("org_1"), people(size))
	require.NoError(t, err)
	books := &ledger{calls: map[string]string{}, by: map[int]string{}}
	var all sync.WaitGroup
	var nets []*faultnet.Proxy
	for i := range uint64(nodes) {
		u, err := url.Parse(address)
		require.NoError(t, err)
		net, err := faultnet.Listen(t.Context(), u.Host, faultnet.Config{Seed: i, Odds: 0.02, Late: 50 * time.Millisecond})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, net.Close()) })
		nets = append(nets, net)
		u.Host = net.Addr()
		pool := u.String() + "&pool_max_conns=3"
		all.Go(func() {
			w := &worker{t: t, src: src, batch: b, books: books, limit: limit, random: rand.New(rand.NewPCG(i, 1))}
			if err := w.open(pool); err != nil {
				t.Errorf("open: %v", err)
				return
			}
			defer func() { _ = w.Close() }() // it waits for what has begun
			w.run(fmt.Sprintf("node_%d", i))
		})
	}
	all.Wait()
	books.mu.Lock()
	defer books.mu.Unlock()
	require.Len(t, books.by, size, "everybody was called")
	after, err := near.Batch(t.Context(), "org_1", b.ID)
	require.NoError(t, err)
	require.Equal(t, fsm.Counts{Completed: size}, after.Counts)
	calls, err := near.Calls(t.Context(), store.CallQuery{Org: "org_1"})
	require.NoError(t, err)
	require.Len(t, calls, size, "one call each")
	for f := faultnet.Delay; f <= faultnet.Refuse; f++ {
		n := 0
		for _, net := range nets {
			n += net.Count(f)
		}
		t.Logf("fault %d struck %d times", f, n)
		require.Positive(t, n, "fault %d never struck", f)
	}
}

// ledger is what truly was begun, over all nodes.
type ledger struct {
	mu    sync.Mutex
	calls map[string]string // who began each call
	by    map[int]string    // the call of each recipient
}

// worker is a node behind a network.
type worker struct {
	*postgres.Store

	t      *testing.T
	src    *source
	batch  store.Batch
	books  *ledger
	limit  int
	random *rand.Rand

	name string
	beat int64
	mine map[string]store.Claimed // not over
}

func (w *worker) open(address string) error {
	var err error
	for range 50 {
		c := postgres.Config{URL: address, NoHints: true, Timeout: time.Second}
		if w.Store, err = postgres.Open(context.Background(), c); err == nil {
			return nil
		}
	}
	return err
}

// until repeats something until it is answered, and says whether the node is still what it was.
func (w *worker) until(what string, do func() error) (still bool) {
	for range 200 {
		err := do()
		if err == nil {
			return true
		}
		if errors.Is(err, store.ErrNotOwner) {
			return false
		}
	}
	w.t.Errorf("%s: no try gets through", what)
	return false
}

func (w *worker) run(name string) {
	for session := 0; !w.t.Failed(); session++ {
		w.name, w.beat, w.mine = fmt.Sprintf("%s_%d", name, session), 0, map[string]store.Claimed{}
		if w.dial() {
			return
		}
	}
}

const shortLease = 20 * time.Second

func (w *worker) renew() bool {
	w.beat++
	return w.until("heartbeat", func() error {
		return w.Heartbeat(context.Background(), store.Node{ID: w.name, Beat: w.beat}, shortLease)
	})
}

// dial says whether everything is over; else the lease is.
func (w *worker) dial() (over bool) {
	for w.renew() && w.adopt() {
		step := store.Step{
			Org: "org_1", Owner: w.name, Now: w.src.now(), Limit: w.limit, Events: w.ends(),
			Claims: []store.Claim{w.src.claim(w.batch, 1+w.random.IntN(w.limit))},
		}
		var got store.Advanced
		still := w.until("advance", func() (err error) {
			got, err = w.Advance(context.Background(), step)
			step.Replay = true
			return err
		})
		if !still {
			return false
		}
		w.book(step, got)
		if c := got.Batches[0].Counts; c.Queued == 0 && c.InFlight() == 0 || w.t.Failed() {
			return true
		}
	}
	return w.t.Failed()
}

// ends is what becomes of the calls that this node has: most of them are over.
func (w *worker) ends() []store.Event {
	var list []store.Claimed
	for _, c := range w.mine {
		if w.random.IntN(4) > 0 {
			list = append(list, c)
		}
	}
	return completed(list, w.src.now())
}

func (w *worker) book(step store.Step, got store.Advanced) {
	w.books.mu.Lock()
	defer w.books.mu.Unlock()
	if len(got.Lost) > 0 || got.InFlight > w.limit {
		w.t.Errorf("%s has lost %v; %d in flight", w.name, got.Lost, got.InFlight)
	}
	for _, e := range step.Events {
		delete(w.mine, e.CallID)
	}
	for _, c := range got.Claimed {
		w.mine[c.Call.ID] = c
		if before := w.books.by[c.Call.Index]; before != "" {
			w.t.Errorf("recipient %d was called as %s and as %s", c.Call.Index, before, c.Call.ID)
		}
		if c.Call.Attempt != 1 {
			w.t.Errorf("attempt %d of recipient %d", c.Call.Attempt, c.Call.Index)
		}
		w.books.by[c.Call.Index], w.books.calls[c.Call.ID] = c.Call.ID, w.name
	}
}

// adopt takes over what nodes have left behind that lost their lease, and what was claimed without the node learning it. It
// says whether the node is still one.
func (w *worker) adopt() bool {
	still := w.until("adopt", func() error {
		_, err := w.Adopt(context.Background(), w.name, 100)
		return err
	})
	return still && w.until("reclaim", func() error {
		calls, err := w.Calls(context.Background(), store.CallQuery{Org: "org_1", InFlight: true, Owner: w.name})
		if err != nil {
			return err
		}
		w.books.mu.Lock()
		defer w.books.mu.Unlock()
		for _, c := range calls {
			if _, known := w.mine[c.ID]; known {
				continue
			}
			w.mine[c.ID] = store.Claimed{Call: c}
			if w.books.by[c.Index] == "" { // nobody had learned of it, and so nobody was called: it ends like any other
				w.books.by[c.Index] = c.ID
			}
		}
		return nil
	})
}

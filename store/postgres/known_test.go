package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
	"github.com/outdial/outdial/store/storetest"
)

// alternating is several stores over one database, of which any does what is asked: so what one of them knows of calls
// is seldom what the others have left.
type alternating struct {
	mu     sync.Mutex
	random *rand.Rand
	stores []*postgres.Store
}

func (a *alternating) any() *postgres.Store {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stores[a.random.IntN(len(a.stores))]
}

func (a *alternating) Close() error {
	var errs []error
	for _, s := range a.stores {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

func (a *alternating) CreateBatch(ctx context.Context, b store.Batch, r []store.NewRecipient) (store.Batch, error) {
	return a.any().CreateBatch(ctx, b, r)
}

func (a *alternating) Batch(ctx context.Context, org, id string) (store.Batch, error) {
	return a.any().Batch(ctx, org, id)
}

func (a *alternating) Batches(ctx context.Context, q store.BatchQuery) ([]store.Batch, error) {
	return a.any().Batches(ctx, q)
}

func (a *alternating) Recipients(ctx context.Context, q store.RecipientQuery) ([]store.Recipient, error) {
	return a.any().Recipients(ctx, q)
}

func (a *alternating) Calls(ctx context.Context, q store.CallQuery) ([]store.Call, error) {
	return a.any().Calls(ctx, q)
}

func (a *alternating) Call(ctx context.Context, org, id string) (store.Call, error) {
	return a.any().Call(ctx, org, id)
}

func (a *alternating) Change(ctx context.Context, org, id string, c store.Change) (store.Batch, error) {
	return a.any().Change(ctx, org, id, c)
}

func (a *alternating) Active(ctx context.Context) ([]store.ActiveOrg, error) {
	return a.any().Active(ctx)
}

func (a *alternating) Advance(ctx context.Context, s store.Step) (store.Advanced, error) {
	return a.any().Advance(ctx, s)
}

func (a *alternating) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	return a.any().Heartbeat(ctx, n, lease)
}

func (a *alternating) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	return a.any().Adopt(ctx, node, limit)
}

func (a *alternating) Nodes(ctx context.Context) ([]store.Node, error) { return a.any().Nodes(ctx) }

func TestConformanceOfSeveralStores(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite once is short enough")
	}
	t.Parallel()
	storetest.Test(t, func(t *testing.T) store.Store {
		t.Helper()
		url := cluster.url(t)
		a := &alternating{random: rand.New(rand.NewPCG(1, 2))}
		for range 3 {
			a.stores = append(a.stores, open(t, postgres.Config{URL: url + "&pool_max_conns=3", NoHints: true}))
		}
		return a
	})
}

// pair is two stores over one database. What the first one has of its calls is true until the second one writes.
type pair struct {
	url           string
	first, second *postgres.Store
	src           *source
	batch         store.Batch
	calls         []store.Claimed
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{url: cluster.url(t)}
	p.first = open(t, postgres.Config{URL: p.url, NoHints: true})
	p.second = open(t, postgres.Config{URL: p.url, NoHints: true})
	p.src, p.batch = stocked(t, p.first, 10)
	got, err := p.first.Advance(t.Context(), store.Step{
		Org: "org_1", Owner: "node_1", Now: p.src.now(), Limit: 9, Claims: []store.Claim{p.src.claim(p.batch, 3)},
	})
	require.NoError(t, err)
	require.Len(t, got.Claimed, 3)
	p.calls = got.Claimed
	return p
}

// happens brings an event of a call to one of the stores.
func (p *pair) happens(t *testing.T, s *postgres.Store, owner string, call int, status fsm.RecipientStatus) store.Advanced {
	t.Helper()
	e := completed(p.calls[call:call+1], p.src.now())[0]
	e.Status = status
	if status != fsm.Completed {
		e.EndReason, e.EndedAt = "", time.Time{}
	}
	got, err := s.Advance(t.Context(), store.Step{
		Org: "org_1", Owner: owner, Now: p.src.now(), Limit: 9, Events: []store.Event{e},
	})
	require.NoError(t, err)
	return got
}

func (p *pair) recipient(t *testing.T, call int) store.Recipient {
	t.Helper()
	at := p.calls[call].Call.Index
	got, err := p.second.Recipients(t.Context(), store.RecipientQuery{Org: "org_1", BatchID: p.batch.ID, From: at, Limit: 1})
	require.NoError(t, err)
	require.Len(t, got, 1)
	return got[0]
}

func (p *pair) change(t *testing.T, c store.Change) {
	t.Helper()
	c.At = p.src.now()
	_, err := p.second.Change(t.Context(), "org_1", p.batch.ID, c)
	require.NoError(t, err)
}

func TestWhatAnotherStoreWroteIsNotOverlooked(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func(t *testing.T, p *pair){
		"that somebody wants a call to end": func(t *testing.T, p *pair) {
			p.change(t, store.Change{Action: store.ActionHangUp, CallID: p.calls[0].Call.ID})
			require.Empty(t, p.happens(t, p.first, "node_1", 0, fsm.Queued).Lost)
			require.Equal(t, store.CancelledBefore, p.recipient(t, 0).Error, "and no other one")
			require.Empty(t, p.happens(t, p.first, "node_1", 1, fsm.Queued).Lost)
			require.Equal(t, fsm.Queued, p.recipient(t, 1).Status)
		},
		"that the batch was cancelled": func(t *testing.T, p *pair) {
			p.change(t, store.Change{Action: store.ActionCancel})
			require.Empty(t, p.happens(t, p.first, "node_1", 0, fsm.Queued).Lost)
			require.Equal(t, fsm.Cancelled, p.recipient(t, 0).Status)
		},
		"that a call came further": func(t *testing.T, p *pair) {
			require.Empty(t, p.happens(t, p.second, "node_1", 0, fsm.Started).Lost)
			require.Len(t, p.happens(t, p.first, "node_1", 0, fsm.Queued).Lost, 1, "it was answered")
			require.Empty(t, p.happens(t, p.first, "node_1", 0, fsm.Completed).Lost)
		},
		"that a call is over": func(t *testing.T, p *pair) {
			require.Empty(t, p.happens(t, p.second, "node_1", 0, fsm.Queued).Lost)
			require.Len(t, p.happens(t, p.first, "node_1", 0, fsm.Completed).Lost, 1)
			require.Equal(t, fsm.Queued, p.recipient(t, 0).Status)
		},
		"how often": func(t *testing.T, p *pair) { // the second one knows more of one call, the first one of another
			require.Empty(t, p.happens(t, p.second, "node_1", 0, fsm.Started).Lost)
			require.Empty(t, p.happens(t, p.first, "node_1", 1, fsm.Started).Lost)
			require.Empty(t, p.happens(t, p.second, "node_1", 1, fsm.Completed).Lost)
			require.Len(t, p.happens(t, p.first, "node_1", 1, fsm.Completed).Lost, 1)
			require.Empty(t, p.happens(t, p.first, "node_1", 0, fsm.Completed).Lost)
			require.Len(t, p.happens(t, p.second, "node_1", 0, fsm.Completed).Lost, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, newPair(t))
		})
	}
}

// Adopt changes owners and no revision.
func TestWhatWasAdoptedIsNotOverlooked(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]func(p *pair) *postgres.Store{
		"by the same store": func(p *pair) *postgres.Store { return p.first },
		"by another one":    func(p *pair) *postgres.Store { return p.second },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			heir := by(p)
			p.adopt(t, heir)
			require.Empty(t, p.happens(t, heir, "node_2", 0, fsm.Completed).Lost)
		})
		for _, status := range []fsm.RecipientStatus{fsm.Started, fsm.Completed} {
			t.Run(fmt.Sprintf("%s, and the clock goes back, %s", name, status), func(t *testing.T) {
				t.Parallel()
				p := newPair(t)
				heir := by(p)
				p.adopt(t, heir)
				// It is before the end of the lease again, which others have seen.
				run(t, p.url, "UPDATE outdial.nodes SET expires_at = clock_timestamp() + interval '1 hour'")
				require.Len(t, p.happens(t, p.first, "node_1", 0, status).Lost, 1)
				require.Equal(t, fsm.Dispatched, p.recipient(t, 0).Status)
				b, err := p.second.Batch(t.Context(), "org_1", p.batch.ID)
				require.NoError(t, err)
				require.Equal(t, fsm.Counts{Queued: 7, Dispatched: 3}, b.Counts)
				require.Empty(t, p.happens(t, heir, "node_2", 0, status).Lost)
			})
		}
	}
}

// adopt has a node of a store take over the calls, since the lease of their owner has run out.
func (p *pair) adopt(t *testing.T, heir *postgres.Store) {
	t.Helper()
	require.NoError(t, p.first.Heartbeat(t.Context(), store.Node{ID: "node_1"}, 0))
	require.NoError(t, heir.Heartbeat(t.Context(), store.Node{ID: "node_2"}, time.Hour))
	got, err := heir.Adopt(t.Context(), "node_2", 9)
	require.NoError(t, err)
	require.Len(t, got, 3)
}

// What a node has heard of a call that was another one's is out of date once it has adopted it.
func TestACallThatWasAnotherNodesIsNotTakenForItStill(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	require.NoError(t, p.first.Heartbeat(t.Context(), store.Node{ID: "node_2"}, time.Hour))
	claim := store.Step{
		Org: "org_1", Owner: "node_2", Now: p.src.now(), Limit: 9, Claims: []store.Claim{p.src.claim(p.batch, 1)},
	}
	_, err := p.first.Advance(t.Context(), claim)
	require.NoError(t, err)
	require.Len(t, p.happens(t, p.first, "node_2", 0, fsm.Completed).Lost, 1)
	p.adopt(t, p.first)
	require.Empty(t, p.happens(t, p.first, "node_2", 0, fsm.Completed).Lost)
}

// What a step that was undone made of a call is not known afterwards.
func TestWhatWasUndoneIsNotRemembered(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	step := store.Step{Org: "org_1", Owner: "node_1", Now: p.src.now(), Limit: 9, Events: completed(p.calls, p.src.now())}
	run(t, p.url, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON outdial.calls FOR EACH ROW EXECUTE FUNCTION refuse()`)
	_, err := p.first.Advance(t.Context(), step)
	require.ErrorContains(t, err, "no")
	run(t, p.url, "DROP TRIGGER refuse ON outdial.calls; DROP FUNCTION refuse")
	step.Replay = true
	got, err := p.first.Advance(t.Context(), step)
	require.NoError(t, err)
	require.Empty(t, got.Lost)
	require.Equal(t, fsm.Counts{Queued: 7, Completed: 3}, got.Batches[0].Counts)
}

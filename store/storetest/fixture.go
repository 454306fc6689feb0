package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

const (
	org   = "org_1"
	from  = dialer.Phone("+14155550100")
	lease = time.Hour // for the nodes that no rule wants to lose
	many  = 1 << 20   // a limit that limits nothing
)

// fixture is a fresh store and what it takes to use it in a line. Its methods may be used
// from several goroutines, but for those that fail the test.
type fixture struct {
	testing.TB
	store.Store

	ctx context.Context //nolint:containedctx // of the test, whose lifetime is the fixture's

	mu     sync.Mutex
	clock  time.Time
	random *rand.ChaCha8
	made   map[string]time.Time // when each call id was
	nodes  int
	beats  map[string]store.Node // of each, as it registered
	orgs   []string              // to be audited
}

func newFixture(t testing.TB, s store.Store) *fixture {
	t.Helper()
	return &fixture{
		TB: t, Store: s, ctx: t.Context(), random: rand.NewChaCha8([32]byte{1}),
		beats: map[string]store.Node{}, made: map[string]time.Time{},
		clock: time.Date(2026, 3, 4, 5, 6, 7, 891_011_000, time.UTC),
	}
}

// tick returns a time after all that it returned before: every second and microsecond counts.
func (f *fixture) tick() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock = f.clock.Add(time.Second + time.Microsecond)
	return f.clock
}

func (f *fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatalf("unexpected error: %v", err)
	}
}

func (f *fixture) is(err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Fatalf("error %v, want one that is %q", err, want)
	}
}

// equal compares whole values, of which none may be forgotten.
func (f *fixture) equal(what string, got, want any) {
	f.Helper()
	if !reflect.DeepEqual(got, want) {
		f.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// draft returns a batch that may be created.
func (f *fixture) draft(with ...func(*store.Batch)) store.Batch {
	f.Helper()
	now := f.tick()
	f.mu.Lock()
	defer f.mu.Unlock()
	id, err := store.NewBatchID(now, f.random)
	f.ok(err)
	b := store.Batch{
		Org: org, ID: id, Name: "a batch", AgentID: "agent_1", NumberID: "ap_1", Region: "EU",
		Target: many, FirstTarget: many, Weight: 1, RingTimeout: 30 * time.Second, MaxDuration: time.Hour,
		CreatedAt: now, UpdatedAt: now,
	}
	for _, change := range with {
		change(&b)
	}
	if !slices.Contains(f.orgs, b.Org) {
		f.orgs = append(f.orgs, b.Org)
	}
	return b
}

// people returns n recipients, each another.
func people(n int) []store.NewRecipient {
	out := make([]store.NewRecipient, n)
	for i := range out {
		out[i].To = dialer.Phone(fmt.Sprintf("+1415555%04d", i))
		out[i].Metadata = fmt.Appendf(nil, `{"index":%d}`, i)
	}
	return out
}

// batch creates a batch of n recipients.
func (f *fixture) batch(n int, with ...func(*store.Batch)) store.Batch {
	f.Helper()
	b, err := f.CreateBatch(f.ctx, f.draft(with...), people(n))
	f.ok(err)
	return b
}

func (f *fixture) again(b store.Batch) store.Batch {
	f.Helper()
	got, err := f.Batch(f.ctx, b.Org, b.ID)
	f.ok(err)
	return got
}

func (f *fixture) recipients(b store.Batch) []store.Recipient {
	f.Helper()
	got, err := f.Recipients(f.ctx, store.RecipientQuery{Org: b.Org, BatchID: b.ID})
	f.ok(err)
	return got
}

func (f *fixture) recipient(b store.Batch, index int) store.Recipient {
	f.Helper()
	got := f.recipients(b)
	if index >= len(got) {
		f.Fatalf("the batch has %d recipients, none at %d", len(got), index)
	}
	return got[index]
}

// stands compares how a recipient stands: all that an event or a retry may write to it.
func (f *fixture) stands(r store.Recipient, status, callID, endReason, message string) {
	f.Helper()
	f.equal("status, call, end reason and error of the recipient",
		[]string{r.Status.String(), r.CallID, string(r.EndReason), r.Error}, []string{status, callID, endReason, message})
}

func (f *fixture) call(c store.Call) store.Call {
	f.Helper()
	got, err := f.Call(f.ctx, c.Org, c.ID)
	f.ok(err)
	return got
}

func (f *fixture) calls(q store.CallQuery) []store.Call {
	f.Helper()
	q.Org = org
	got, err := f.Calls(f.ctx, q)
	f.ok(err)
	return got
}

func (f *fixture) batches(q store.BatchQuery) []store.Batch {
	f.Helper()
	q.Org = org
	got, err := f.Batches(f.ctx, q)
	f.ok(err)
	return got
}

func (f *fixture) change(b store.Batch, c store.Change) store.Batch {
	f.Helper()
	if c.At.IsZero() {
		c.At = f.tick()
	}
	got, err := f.Change(f.ctx, b.Org, b.ID, c)
	f.ok(err)
	return got
}

func (f *fixture) do(b store.Batch, a store.Action) store.Batch {
	f.Helper()
	return f.change(b, store.Change{Action: a})
}

// node registers a node that keeps its lease.
func (f *fixture) node() string {
	f.Helper()
	return f.nodeWith()
}

// nodeWith registers a node that has carriers, and keeps its lease.
func (f *fixture) nodeWith(carriers ...string) string {
	f.Helper()
	f.mu.Lock()
	f.nodes++
	id := fmt.Sprintf("node_%d", f.nodes)
	f.mu.Unlock()
	n := store.Node{ID: id, Carriers: carriers, StartedAt: f.tick()}
	f.ok(f.Heartbeat(f.ctx, n, lease))
	f.mu.Lock()
	f.beats[id] = n
	f.mu.Unlock()
	return id
}

// beat is a node as it registered.
func (f *fixture) beat(node string) store.Node {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.beats[node]
	n.ID = node
	return n
}

// leave makes a node give up its lease. What it owns is orphaned.
func (f *fixture) leave(node string) {
	f.Helper()
	f.ok(f.Heartbeat(f.ctx, f.beat(node), 0))
}

// successor is another node, after the first has left: so one can follow another on
// a store that admits one at a time, too.
func (f *fixture) successor(node string) string {
	f.Helper()
	f.leave(node)
	return f.node()
}

func (f *fixture) callIDs(n int) []string {
	f.Helper()
	now := f.tick()
	f.mu.Lock()
	defer f.mu.Unlock()
	ids, err := store.NewCallIDs(now, f.random, n)
	f.ok(err)
	for _, id := range ids {
		f.made[id] = now
	}
	return ids
}

// dispatchTime is the time of the claims' latest ids, as an engine has it, or another one where there are none.
func (f *fixture) dispatchTime(claims []store.Claim) (at time.Time) {
	f.mu.Lock()
	for _, c := range claims {
		for _, id := range c.CallIDs {
			if made := f.made[id]; made.After(at) {
				at = made
			}
		}
	}
	f.mu.Unlock()
	if at.IsZero() {
		at = f.tick()
	}
	return at
}

// step fills in what a rule is not about. Calls are dispatched when their ids are made.
func (f *fixture) step(s store.Step) store.Step {
	if s.Org == "" {
		s.Org = org
	}
	if s.Limit == 0 {
		s.Limit = many
	}
	if s.Now.IsZero() {
		s.Now = f.dispatchTime(s.Claims)
	}
	return s
}

func (f *fixture) advance(s store.Step) store.Advanced {
	f.Helper()
	got, err := f.Advance(f.ctx, f.step(s))
	f.ok(err)
	return got
}

func (f *fixture) claimOf(b store.Batch, n int) store.Claim {
	f.Helper()
	return store.Claim{BatchID: b.ID, CallIDs: f.callIDs(n), Carrier: "carrier_1", From: from}
}

// claim claims up to n recipients and returns their calls.
func (f *fixture) claim(node string, b store.Batch, n int) []store.Call {
	f.Helper()
	return callsOf(f.advance(store.Step{Org: b.Org, Owner: node, Claims: []store.Claim{f.claimOf(b, n)}}))
}

func callsOf(a store.Advanced) []store.Call {
	var out []store.Call
	for _, c := range a.Claimed {
		out = append(out, c.Call)
	}
	return out
}

func indexes(calls []store.Call) []int {
	var out []int
	for _, c := range calls {
		out = append(out, c.Index)
	}
	return out
}

func callIDs(calls []store.Call) []string {
	var out []string
	for _, c := range calls {
		out = append(out, c.ID)
	}
	return out
}

func batchIDs(batches []store.Batch) []string {
	var out []string
	for _, b := range batches {
		out = append(out, b.ID)
	}
	return out
}

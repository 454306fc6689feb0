package postgres_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
	"github.com/outdial/outdial/store/postgres"
)

var lockstepSeeds = flag.Int("lockstep", 3, "how many random histories stores over one database go through beside the model")

// lockstep does the same things at random to stores over one database, one at a time, and to one in memory, the model.
type lockstep struct {
	*testing.T

	random  *rand.Rand
	src     *source
	url     string
	stores  []*postgres.Store
	current int // of stores: the same for a while, so that it knows something
	model   *memory.Store
	faults  bool // steps are given up in the middle and repeated, and changes come twice
	most    int  // recipients of a batch

	orgs    []string
	nodes   []string // that live
	named   int
	batches []store.Batch
	flying  map[string]store.Call
	over    []store.Call
	history []string

	cursors    map[string]int64 // of each organisation's feed
	recipients map[string]store.Recipient
	heads      map[string]store.Batch // batches, as the feed has told of them
}

// Whatever several stores know, forget and foresee of what the others write, they say and write what the model does.
// Their counters, their queues and what they tell who follows them agree.
func TestLockstepWithTheModel(t *testing.T) {
	t.Parallel()
	for seed := range *lockstepSeeds {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			l := newLockstep(t, seed)
			defer l.report()
			for range 2 {
				l.join()
			}
			for range 3 {
				l.create()
			}
			for i := range 120 {
				l.act()
				if i%20 == 19 {
					l.compare()
				}
			}
		})
	}
}

func newLockstep(t *testing.T, seed int) *lockstep {
	t.Helper()
	l := &lockstep{
		T: t, random: rand.New(rand.NewPCG(uint64(seed), 11)), src: newSource(), url: cluster.url(t), model: memory.New(),
		faults: seed%3 == 1, most: []int{10, 150, 700}[seed%3], orgs: []string{"org_1", "org_2"}[:1+seed%2],
		flying: map[string]store.Call{}, cursors: map[string]int64{}, recipients: map[string]store.Recipient{},
		heads: map[string]store.Batch{},
	}
	for range 2 {
		l.stores = append(l.stores, open(t, postgres.Config{URL: l.url + "&pool_max_conns=3", NoHints: true, Timeout: patience}))
	}
	return l
}

// report tells of a history that went wrong what happened last.
func (l *lockstep) report() {
	if l.Failed() {
		for _, what := range l.history[max(0, len(l.history)-12):] {
			l.Log(what)
		}
	}
}

func (l *lockstep) note(format string, args ...any) {
	l.history = append(l.history, fmt.Sprintf(format, args...))
}

// act does one thing, a step mostly.
func (l *lockstep) act() {
	switch n := l.random.IntN(100); {
	case n < 3:
		l.create()
	case n < 12:
		l.change()
	case n < 15:
		l.takeOver()
	default:
		l.step()
	}
}

func anyOf[T any](random *rand.Rand, of ...T) T { return of[random.IntN(len(of))] }

func (l *lockstep) rarely(of int) bool { return l.random.IntN(of) == 0 }

func (l *lockstep) store() *postgres.Store {
	if l.rarely(12) {
		l.current = l.random.IntN(len(l.stores))
	}
	return l.stores[l.current]
}

// beat is a heartbeat of a node.
func (l *lockstep) beat(id string, lease time.Duration) {
	for _, s := range []store.Store{l.model, l.store()} {
		require.NoError(l, s.Heartbeat(l.Context(), store.Node{ID: id}, lease))
	}
}

func (l *lockstep) join() {
	l.named++
	id := fmt.Sprint("node_", l.named)
	l.beat(id, time.Hour)
	l.nodes = append(l.nodes, id)
}

func (l *lockstep) create() {
	b := l.src.batch(anyOf(l.random, l.orgs...))
	b.Target = anyOf(l.random, 3, 40, 1000)
	b.FirstTarget, b.AgentID = b.Target, fmt.Sprint("agent_", l.random.IntN(3))
	if l.rarely(6) {
		b.ScheduledAt = b.CreatedAt.Add(time.Duration(l.random.IntN(300)) * time.Millisecond)
	}
	list := people(1 + l.random.IntN(l.most))
	for i := range list {
		switch l.random.IntN(6) {
		case 0:
			list[i].Metadata = nil
		case 1: // about as much as is remembered of those who are queued
			list[i].Metadata = bytes.Repeat([]byte{byte('a' + i%26)}, 1020+l.random.IntN(8))
		}
	}
	want, err := l.model.CreateBatch(l.Context(), b, list)
	require.NoError(l, err)
	got, err := l.store().CreateBatch(l.Context(), b, list)
	require.NoError(l, err)
	l.sameBatch(want, got)
	l.batches = append(l.batches, want)
	l.note("create %s: %d recipients", b.ID, len(list))
}

// inFlight are the calls of an organisation, of all nodes where owner is empty.
func (l *lockstep) inFlight(org, owner string) (out []store.Call) {
	for _, c := range l.flying {
		if c.Org == org && (owner == "" || c.Owner == owner) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b store.Call) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func (l *lockstep) change() {
	b := anyOf(l.random, l.batches...)
	c := store.Change{
		At: l.src.now(), Target: anyOf(l.random, 0, 3, 40, 1000), Key: anyOf(l.random, "", "", "key_1", "key_2"),
		Action: anyOf(l.random, store.ActionCancel, store.ActionPause, store.ActionResume, store.ActionResume, store.ActionRetry,
			store.ActionRetry, store.ActionSetTarget, store.ActionHangUp, store.ActionHangUp),
	}
	if list := l.inFlight(b.Org, ""); len(list) > 0 {
		c.CallID = anyOf(l.random, list...).ID
	}
	times := 1
	if l.faults && (c.Action != store.ActionRetry || c.Key != "") {
		times += l.random.IntN(2)
	}
	want, refused := l.model.Change(l.Context(), b.Org, b.ID, c)
	for range times {
		got, err := l.store().Change(l.Context(), b.Org, b.ID, c)
		for _, sentinel := range []error{store.ErrNotFound, store.ErrBatchCancelled} {
			require.Equal(l, errors.Is(refused, sentinel), errors.Is(err, sentinel), "%v, but %v", refused, err)
		}
		require.Equal(l, refused == nil, err == nil, "%v, but %v", refused, err)
		l.sameBatch(want, got)
	}
	l.note("change %s: %+v, %d times", b.ID, c, times)
}

// event is something that may happen to a call, whatever its status is.
func (l *lockstep) event(c store.Call) store.Event {
	now := l.src.now()
	e := store.Event{BatchID: c.BatchID, Index: c.Index, CallID: c.ID, Status: c.Status, Ref: fmt.Sprint("ref_", now.UnixNano())}
	switch l.random.IntN(10) {
	case 0:
		e.Status, e.EndedAt, e.EndReason = fsm.Completed, now, dialer.AgentHangup
	case 1, 2, 3:
		e.Status, e.EndedAt, e.Error = fsm.Queued, now, "no room"
	case 4, 5:
		e.Status, e.EndReason, e.Unplaced, e.Error = fsm.Failed, dialer.Error, l.rarely(2), "refused"
	case 6:
		e.Status, e.StartedAt = fsm.Started, now
	case 7:
		e.Carrier = fmt.Sprint("carrier_", l.random.IntN(3))
		e.Tries = []store.Try{{Carrier: "carrier_9", At: now, Error: "full"}}
	case 8:
		e.RangAt, e.Details = now, map[string]string{"k": e.Ref}
	}
	return e
}

// draft is a step of any node, which now and then tells of calls that are another's, or over.
func (l *lockstep) draft() store.Step {
	s := store.Step{
		Org: anyOf(l.random, l.orgs...), Owner: anyOf(l.random, l.nodes...), Limit: anyOf(l.random, 0, 5, 60, 1000),
	}
	mine, all := l.inFlight(s.Org, s.Owner), l.inFlight(s.Org, "")
	for range l.random.IntN(12) {
		if len(mine) > 0 {
			s.Events = append(s.Events, l.event(anyOf(l.random, mine...)))
		}
	}
	if len(all) > 0 && l.rarely(15) {
		s.Events = append(s.Events, l.event(anyOf(l.random, all...)))
	}
	if len(l.over) > 0 && l.rarely(15) {
		if c := anyOf(l.random, l.over...); c.Org == s.Org {
			s.Events = append(s.Events, l.event(c))
		}
	}
	for range l.random.IntN(4) {
		if b := anyOf(l.random, l.batches...); b.Org == s.Org {
			s.Claims = append(s.Claims, l.src.claim(b, 1+l.random.IntN(anyOf(l.random, 3, 12, 90))))
		}
	}
	s.Now = l.src.now()
	return s
}

func (l *lockstep) step() {
	s := l.draft()
	want, err := l.model.Advance(l.Context(), s)
	require.NoError(l, err)
	if l.faults && l.rarely(4) {
		want = l.giveUp(&s, want)
	}
	got, err := l.store().Advance(l.Context(), s)
	require.NoError(l, err)
	l.note("step of %s in %s: %d events, %d claims, replay %v: %d claimed, %d lost", s.Owner, s.Org, len(s.Events), len(s.Claims),
		s.Replay, len(want.Claimed), len(want.Lost))
	l.sameAdvanced(want, got, s.Replay)
	l.reload()
}

// giveUp has a step be given up while it is under way, of which nobody knows whether it is written, and makes a replay of it.
func (l *lockstep) giveUp(s *store.Step, want store.Advanced) store.Advanced {
	ctx, cancel := context.WithTimeout(l.Context(), time.Duration(l.random.IntN(6000))*time.Microsecond)
	defer cancel()
	_, _ = l.store().Advance(ctx, *s) // whatever it says
	s.Replay = true
	again, err := l.model.Advance(l.Context(), *s)
	require.NoError(l, err)
	again.Lost = want.Lost
	return again
}

// reload takes what is in flight from the model.
func (l *lockstep) reload() {
	flying := map[string]store.Call{}
	for _, org := range l.orgs {
		list, err := l.model.Calls(l.Context(), store.CallQuery{Org: org, InFlight: true})
		require.NoError(l, err)
		for _, c := range list {
			flying[c.ID] = c
		}
	}
	for _, org := range l.orgs {
		for _, c := range l.inFlight(org, "") {
			if _, there := flying[c.ID]; !there {
				l.over = append(l.over, c)
			}
		}
	}
	l.flying = flying
}

// takeOver has a node go, and another one take over what it has left, with steps in between.
func (l *lockstep) takeOver() {
	i := l.random.IntN(len(l.nodes))
	gone := l.nodes[i]
	l.nodes = slices.Delete(l.nodes, i, i+1)
	l.beat(gone, 0)
	if len(l.nodes) == 0 || l.rarely(2) {
		l.join()
	}
	heir, limit := anyOf(l.random, l.nodes...), 1+l.random.IntN(30)
	if l.faults {
		limit = 1 << 20
	}
	for more := true; more; {
		more = l.adopt(heir, limit)
		l.reload()
		if more && l.rarely(3) {
			l.step()
		}
	}
}

// adopt says whether there was anything. A step that was given up may reach the server late and have its organisation for
// a moment: then what was left behind in others comes first.
func (l *lockstep) adopt(heir string, limit int) bool {
	want, err := l.model.Adopt(l.Context(), heir, limit)
	require.NoError(l, err)
	l.note("%s adopts %d", heir, len(want))
	got, err := l.store().Adopt(l.Context(), heir, limit)
	require.NoError(l, err)
	for l.faults && len(got) < len(want) {
		more, err := l.store().Adopt(l.Context(), heir, limit)
		require.NoError(l, err)
		require.NotEmpty(l, more)
		got = append(got, more...)
	}
	if l.faults {
		byID := func(a, b store.Claimed) int { return cmp.Compare(a.Call.ID, b.Call.ID) }
		slices.SortFunc(want, byID)
		slices.SortFunc(got, byID)
	}
	l.sameClaimed(want, got)
	return len(want) > 0
}

package batch_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/storetest"
)

// why asks about the last recipient of a batch.
func (w *world) why(id string) batch.Waiting {
	w.t.Helper()
	rs := w.recipients(id)
	got, err := w.engine.Why(w.t.Context(), org, rs[len(rs)-1].ID())
	require.NoError(w.t, err)
	return got
}

// ahead counts those who are claimed before the last recipient of a batch.
func (w *world) ahead(id string) (n int) {
	w.t.Helper()
	rs := w.recipients(id)
	last := rs[len(rs)-1]
	for _, r := range rs[:len(rs)-1] {
		if r.Status == fsm.Queued && r.Attempts <= last.Attempts {
			n++
		}
	}
	return n
}

// shrinking is a Directory from which an agent or a number can be removed.
type shrinking struct {
	batch.Directory

	gone atomic.Value // string: its id
}

func (s *shrinking) Agent(ctx context.Context, org, id string) (dialer.Agent, error) {
	if s.gone.Load() == id {
		return dialer.Agent{}, batch.ErrNotFound
	}
	return s.Directory.Agent(ctx, org, id)
}

func (s *shrinking) Number(ctx context.Context, org, id string) (batch.Number, error) {
	if s.gone.Load() == id {
		return batch.Number{}, batch.ErrNotFound
	}
	return s.Directory.Number(ctx, org, id)
}

func TestEachReasonToWait(t *testing.T) {
	long := fake.Behaviour{Talk: time.Hour}
	tests := map[string]struct {
		limits dialer.Limits
		script fake.Behaviour
		change func(*batch.Request)
		then   func(*directory)
		gone   string // from the directory
		want   batch.WaitReason
		detail string
	}{
		"scheduled":                  {change: func(r *batch.Request) { r.ScheduledAt = time.Now().Add(time.Hour) }, want: batch.WaitScheduled, detail: "later"},
		"paused":                     {change: func(r *batch.Request) { r.Paused = true }, want: batch.WaitPaused, detail: "paused"},
		"the agent is gone":          {gone: "agent", want: batch.WaitAgent, detail: `no agent "agent"`},
		"the number is gone":         {gone: "number", want: batch.WaitNumber, detail: `no number "number"`},
		"the number is inbound only": {then: func(d *directory) { d.number.InboundOnly = true }, want: batch.WaitNumber, detail: `"number"`},
		"the carrier is unknown":     {then: func(d *directory) { d.number.Carriers = []string{"gone"} }, want: batch.WaitNoCarrier, detail: "no carrier"},
		"the carrier rests":          {script: fake.Behaviour{UnavailableFor: fake.Forever}, want: batch.WaitNoCarrier, detail: "no carrier"},
		"the batch's limit":          {script: long, want: batch.WaitBatchLimit, detail: "5 calls are in flight"},
		"the organisation's limit": {
			script: long, change: func(r *batch.Request) { r.Target = 10 },
			then: func(d *directory) { d.orgs[org] = batch.Organisation{ConcurrencyLimit: 4} },
			want: batch.WaitOrgLimit, detail: "limit of 4",
		},
		"the carrier's channels": {limits: dialer.Limits{Channels: 2}, script: long, want: batch.WaitChannels, detail: "channels are in use"},
		"pacing":                 {limits: dialer.Limits{CPS: 0.01}, want: batch.WaitPacing, detail: "no more calls this moment"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				shrunk := &shrinking{}
				w := newWorld(t, test.limits, func(c *batch.Config) {
					shrunk.Directory = c.Directory
					c.Directory = shrunk
				})
				w.script(0, 20, test.script)
				r := request(20)
				if test.change != nil {
					test.change(&r)
				}
				b := w.create(r)
				if test.then != nil {
					w.dir.set(test.then)
				}
				shrunk.gone.Store(test.gone)
				w.run()
				pass(5 * time.Second)
				got := w.why(b.ID)
				require.Equal(t, test.want, got.Reason)
				require.Contains(t, got.Detail, test.detail)
				require.Equal(t, w.ahead(b.ID), got.Position)
				whole, err := w.engine.WhyBatch(t.Context(), org, b.ID)
				require.NoError(t, err)
				require.Equal(t, test.want, whole.Reason)
			})
		})
	}
}

func TestWaitingForAnEngine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) { c.Regions = []string{"EU"} })
		b := w.create(request(3))
		require.Equal(t, batch.WaitNotRunning, w.why(b.ID).Reason)
		w.run()
		pass(time.Second)
		got := w.why(b.ID)
		require.Equal(t, batch.WaitNotRunning, got.Reason)
		require.Contains(t, got.Detail, "US")
	})
}

// An engine that does not dial answers from the store, about what another one does.
func TestWhyFromTheStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 40, fake.Behaviour{Talk: time.Minute})
		w.run()
		full := request(20)
		full.Target = 9
		first := w.create(full)
		pass(time.Second)
		second := request(20)
		second.Recipients = numbers(20, 20)
		b := w.create(second)
		pass(1130 * time.Millisecond) // no timer of the engine's, or it would learn of the new limit in this instant
		w.engine = w.newEngine()
		require.Equal(t, batch.WaitBatchLimit, w.why(first.ID).Reason)
		require.Equal(t, batch.WaitOrgLimit, w.why(b.ID).Reason)
		w.dir.limit(org, 20)
		require.Equal(t, batch.WaitItsTurn, w.why(b.ID).Reason)
		require.Equal(t, 18, w.why(b.ID).Position)
	})
}

func TestWaitingForTheStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var broken atomic.Bool
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) {
			c.Store = storetest.NewFaults(c.Store, func(at storetest.Point) storetest.Fault {
				if at.Method == "Advance" && broken.Load() {
					return storetest.Fault{Err: errors.New("disk full")}
				}
				return storetest.Fault{}
			})
		})
		w.run()
		broken.Store(true)
		b := w.create(request(3))
		pass(time.Second)
		require.Equal(t, batch.WaitStore, w.why(b.ID).Reason)
		broken.Store(false)
		require.Equal(t, 3, w.awaitOver(b.ID, time.Minute).Counts.Completed)
	})
}

func TestWhoWasDialledDoesNotWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.run()
		b := w.create(request(2))
		w.awaitOver(b.ID, time.Minute)
		require.Zero(t, w.why(b.ID))
		got, err := w.engine.WhyBatch(t.Context(), org, b.ID)
		require.NoError(t, err)
		require.Zero(t, got)
		w.dir.limit("globex", 1)
		for _, id := range []string{"", "acr_", "nonsense", b.ID, store.RecipientID(b.ID, 2)} {
			_, err = w.engine.Why(t.Context(), org, id)
			require.ErrorIs(t, err, batch.ErrNotFound, id)
		}
		_, err = w.engine.Why(t.Context(), "globex", w.recipients(b.ID)[0].ID())
		require.ErrorIs(t, err, batch.ErrNotFound)
		_, err = w.engine.WhyBatch(t.Context(), "globex", b.ID)
		require.ErrorIs(t, err, batch.ErrNotFound)
	})
}

// Half-way through a steady batch, the time told is at most twice or half of the true one.
func TestUntilIsPlausible(t *testing.T) {
	for name, limits := range map[string]dialer.Limits{"limit": {}, "pacing": {CPS: 1}, "channels": {Channels: 3}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, limits)
				for i := range 200 {
					w.script(i, 1, fake.Behaviour{Talk: time.Duration(2+i%3) * time.Second})
				}
				w.run()
				b := w.create(request(200))
				w.await(b.ID, time.Hour, func(c fsm.Counts) bool { return c.Completed >= 100 })
				asked, told := time.Now(), w.why(b.ID).Until
				require.NotZero(t, told)
				w.await(b.ID, time.Hour, func(c fsm.Counts) bool { return c.Queued == 0 })
				truth := time.Since(asked)
				require.Greater(t, told.Sub(asked), truth/2)
				require.Less(t, told.Sub(asked), 2*truth)
			})
		})
	}
}

func TestWhyTellsAFaultOfTheStore(t *testing.T) {
	w := newWorld(t, dialer.Limits{})
	id := store.RecipientID(w.create(request(1)).ID, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.engine.Why(ctx, org, id)
	require.ErrorIs(t, err, context.Canceled)
}

// A list asks once and counts: each recipient is told what it would have been told alone.
func TestWaitingIsToldForEachOfAList(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 60, fake.Behaviour{Talk: 10 * time.Second})
		w.run()
		b := w.create(request(60))
		pass(15 * time.Second)
		first, err := w.engine.WhyBatch(t.Context(), org, b.ID)
		require.NoError(t, err)
		position := 0
		for _, r := range w.recipients(b.ID) {
			if r.Status != fsm.Queued {
				continue
			}
			alone, err := w.engine.Why(t.Context(), org, r.ID())
			require.NoError(t, err)
			require.Equal(t, alone, first.At(position))
			require.False(t, alone.Until.IsZero())
			position++
		}
		require.Positive(t, position)
		require.Zero(t, batch.Waiting{}.At(3), "nobody waits")
	})
}

// Whoever is to be tried again waits behind those who never were.
func TestThePositionIsThatOfTheNextClaims(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		refuse, talk := fake.Behaviour{Fault: fake.Refuse}, fake.Behaviour{Talk: time.Hour}
		w.script(0, 2, refuse, refuse) // again for the first retry
		w.script(2, 3, refuse, talk)
		w.run()
		r := request(5)
		r.Target = 1
		b := w.create(r)
		w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.Failed == 5 })
		_, err := w.engine.Retry(t.Context(), org, b.ID)
		require.NoError(t, err)
		pass(time.Minute) // 2 talks, 3 and 4 have been tried once
		_, err = w.engine.Pause(t.Context(), org, b.ID)
		require.NoError(t, err)
		_, err = w.engine.Retry(t.Context(), org, b.ID)
		require.NoError(t, err)
		for position, index := range []int{3, 4, 0, 1} {
			got, err := w.engine.Why(t.Context(), org, store.RecipientID(b.ID, index))
			require.NoError(t, err)
			require.Equal(t, batch.WaitPaused, got.Reason)
			require.Equal(t, position, got.Position, index)
		}
	})
}

// An engine that stops is not the only one: why somebody waits is then what the others do.
func TestWhyWhileOneOfSeveralEnginesStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := fleet(t, dialer.Limits{})
		w.cfg.DrainTimeout = time.Minute
		w.script(0, 400, fake.Behaviour{Talk: 20 * time.Minute})
		first, stopFirst := w.join()
		w.engine = first
		r := request(10)
		r.Target = 2
		b := w.createFor("a", r)
		pass(5 * time.Second)
		second, _ := w.join()
		pass(20 * time.Second)
		stopped := make(chan error)
		go func() { stopped <- stopFirst() }()
		pass(10 * time.Second)
		for _, e := range []*batch.Engine{first, second} {
			got, err := e.WhyBatch(t.Context(), "a", b.ID)
			require.NoError(t, err)
			require.Equal(t, batch.WaitBatchLimit, got.Reason, got.Detail)
		}
		require.NoError(t, <-stopped)
	})
}

// One that stops and is the only one is as good as none.
func TestWhyWhileTheOnlyEngineStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := fleet(t, dialer.Limits{})
		w.cfg.DrainTimeout = time.Minute
		w.script(0, 400, fake.Behaviour{Talk: 20 * time.Minute})
		e, stop := w.join()
		w.engine = e
		r := request(10)
		r.Target = 2
		b := w.createFor("a", r)
		pass(5 * time.Second)
		stopped := make(chan error)
		go func() { stopped <- stop() }()
		pass(10 * time.Second)
		got, err := e.WhyBatch(t.Context(), "a", b.ID)
		require.NoError(t, err)
		require.Equal(t, batch.WaitNotRunning, got.Reason, got.Detail)
		require.NoError(t, <-stopped)
	})
}

// An engine that does not dial a batch's region tells what can be seen in the store.
func TestWhyOfAnotherRegionsBatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := regions(t, dialer.Limits{}, "EU")
		dir := &directory{
			orgs:   map[string]batch.Organisation{"a": {ConcurrencyLimit: 40}},
			number: batch.Number{E164: "+442079460000", Carriers: []string{"fake"}, AnyRegion: true},
		}
		us := w.joinFor(dir, "US")
		w.script(0, 400, fake.Behaviour{Talk: 20 * time.Minute})
		r := request(60)
		r.Target = 40
		w.createIn("EU", r)
		waits := w.createIn("EU", r)
		pass(40 * time.Second)
		got, err := us.WhyBatch(t.Context(), "a", waits.ID)
		require.NoError(t, err)
		require.Equal(t, batch.WaitOrgLimit, got.Reason, got.Detail)
	})
}

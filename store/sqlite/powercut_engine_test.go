package sqlite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store/sqlite"
	"github.com/outdial/outdial/store/sqlite/internal/faultdisk"
)

const (
	acme    = "acme"
	patient = 60 * time.Second // for what takes a moment on a machine that has one
	often   = 5 * time.Millisecond
)

// oneOrg is a directory of one organisation.
type oneOrg struct{}

func (oneOrg) Organisation(context.Context, string) (batch.Organisation, error) {
	return batch.Organisation{ConcurrencyLimit: 6}, nil
}

func (oneOrg) Agent(_ context.Context, _, id string) (dialer.Agent, error) {
	return dialer.Agent{ID: id}, nil
}

func (oneOrg) Number(context.Context, string, string) (batch.Number, error) {
	return batch.Number{E164: "+442079460000", Carriers: []string{"fake"}}, nil
}

// rig is a carrier that outlives what happens to the engine and its disk.
type rig struct {
	t       *testing.T
	disk    *faultdisk.Disk
	carrier *fake.Carrier
	lease   time.Duration // 0: an engine's default
	id      string        // of the batch
	n       int
}

func newRig(t *testing.T, seed uint64, n int) *rig {
	t.Helper()
	carrier, err := fake.New(fake.Config{Books: true, Shares: fake.Shares{Answer: 1}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, carrier.Close()) })
	for i := range n {
		carrier.Script(callee(i), fake.Behaviour{Ring: 2 * time.Millisecond, Talk: 10 * time.Millisecond})
	}
	return &rig{t: t, disk: faultdisk.New(seed), carrier: carrier, n: n}
}

func callee(i int) dialer.Phone { return dialer.Phone(fmt.Sprintf("+1202555%04d", i)) }

// running is an engine that dials, over a store of its own.
type running struct {
	*batch.Engine

	store *sqlite.Store
	stop  func()
}

// run opens the disk and has an engine dial from it. Nil: the power went before it could.
func (r *rig) run(weak bool) *running {
	r.t.Helper()
	s, err := sqlite.Open(r.t.Context(), on(mount(r.t, r.disk), nil))
	if off, _ := r.disk.Off(); off {
		if err == nil {
			_ = s.Close()
		}
		return nil
	}
	require.NoError(r.t, err)
	if weak {
		s.Weaken(r.t.Context(), r.t)
	}
	e, err := batch.New(batch.Config{
		Store: s, Directory: oneOrg{}, Dialers: map[string]dialer.Dialer{"fake": r.carrier.Dialer()},
		PollInterval: 10 * time.Millisecond, Lease: r.lease, DrainTimeout: batch.NoDrain,
		Grace: 100 * time.Millisecond, // without a disk it waits for nothing
	})
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		err := <-done
		if off, _ := r.disk.Off(); !off {
			require.NoError(r.t, err)
		}
		_ = s.Close() // a store whose disk is gone cannot close in order
	})
	r.t.Cleanup(stop)
	return &running{Engine: e, store: s, stop: stop}
}

// create has the batch created, by a request that is repeated until it is answered.
func (r *rig) create(e *running) {
	r.t.Helper()
	request := batch.Request{Name: "survey", AgentID: "agent", NumberID: "number"}
	for i := range r.n {
		request.Recipients = append(request.Recipients, batch.RecipientRequest{To: string(callee(i))})
	}
	b, err := e.Create(r.t.Context(), acme, request)
	require.NoError(r.t, err)
	r.id = b.ID
}

func (r *rig) over(e *running) bool {
	b, err := e.Batch(r.t.Context(), acme, r.id)
	return err == nil && b.Counts.Over()
}

func (r *rig) placed() int { return r.carrier.Books().Placed(fake.Scope{}) }

func (r *rig) work() (n int) {
	for _, done := range r.disk.Done() {
		n += done
	}
	return n
}

// judge wants everybody to have been called once: as many as the carrier knows of have ended as it says.
func (r *rig) judge(e *running) {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return r.over(e) }, patient, often)
	books := r.carrier.Books()
	require.Empty(r.t, books.DoubleRings(), "an attempt rang twice")
	require.Empty(r.t, books.DoublePlaced(), "an attempt was placed twice")
	require.LessOrEqual(r.t, books.MostAtOnce(fake.Scope{}), 6, "more calls than the organisation may have")
	b, err := e.Batch(r.t.Context(), acme, r.id)
	require.NoError(r.t, err)
	require.Equal(r.t, r.n, b.Counts.Scheduled())
	require.Equal(r.t, r.n, b.Counts.Completed+b.Counts.Failed)
	require.LessOrEqual(r.t, books.Placed(fake.Scope{}), r.n, "somebody was called twice")
	require.Equal(r.t, books.Placed(fake.Scope{}), b.Counts.Completed, "those who were called are those who completed")
}

// While the disk fails, an engine begins no call and says that it cannot work; then it goes on by itself.
func TestEngineWaitsForTheDisk(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	for name, fault := range map[string]func(faultdisk.Op) error{
		"everything fails": func(faultdisk.Op) error { return faultdisk.ErrIO },
		"syncs fail":       failing(faultdisk.ErrIO, faultdisk.Sync),
		"reads fail":       failing(faultdisk.ErrIO, faultdisk.Read, faultdisk.Open), // and what is written from memory is written
		"it is full":       failing(faultdisk.ErrFull, faultdisk.Write, faultdisk.Truncate),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, *cutSeed, 80)
			r.lease = 2 * time.Second
			e := r.run(false)
			r.create(e)
			require.Eventually(t, func() bool { return r.placed() >= 10 }, patient, often)
			require.NoError(t, e.Ready(t.Context()))

			r.disk.Fail(fault)
			require.Eventually(t, func() bool { return e.Ready(t.Context()) != nil }, patient, often)
			t.Log(e.Ready(t.Context()))
			begun := r.work()
			require.Eventually(t, func() bool {
				return r.work() > begun+20 && r.carrier.Books().Live(fake.Scope{}) == 0
			}, patient, often)
			placed := r.placed()
			writes := name == "reads fail"
			require.True(t, writes || placed < r.n, "nobody was left to call: nothing was tested")
			begun, since := r.work(), time.Now()
			require.Eventually(t, func() bool { // longer than the lease
				return r.work() > begun+20 && time.Since(since) > r.lease*3/2
			}, patient, often)
			require.Error(t, e.Ready(t.Context()))
			require.True(t, writes || placed == r.placed(), "a call began that is nowhere written down")

			r.disk.Fail(nil)
			require.Eventually(t, func() bool { return e.Ready(t.Context()) == nil }, patient, often)
			r.judge(e)
			require.Equal(t, r.n, r.placed(), "everybody was called")
		})
	}
}

func failing(err error, ops ...faultdisk.Op) func(faultdisk.Op) error {
	return func(op faultdisk.Op) error {
		if slices.Contains(ops, op) {
			return err
		}
		return nil
	}
}

// A disk that fails again and again, in any way.
func TestEngineOutlastsStorms(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r, random, seen := newRig(t, seed, 120), rand.New(rand.NewPCG(*cutSeed+seed, 5)), &weather{}
			e := r.run(false)
			r.create(e)
			require.Eventually(t, func() bool { return e.Ready(t.Context()) == nil }, patient, often) // else Run gives up
			for storms := 0; storms < 12 && !r.over(e); storms++ {
				begun := r.work()
				r.disk.Fail(seen.draw(random))
				require.Eventually(t, func() bool { return r.work() > begun+40 }, patient, often)
				r.disk.Fail(nil)
				placed := r.placed()
				require.Eventually(t, func() bool { return r.placed() > placed || r.over(e) }, patient, often)
			}
			r.judge(e)
			for op := range faultdisk.Ops {
				t.Logf("op %d failed %d times", op, seen.faults[op].Load())
			}
		})
	}
}

// The power goes while an engine dials, again and again; the carrier goes on.
func TestPowerCutRingsNobodyTwice(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, *cutSeed+seed, 150)
			n := r.cuts(*cutSeed+seed, false)
			e := r.run(false)
			r.judge(e)
			t.Logf("%d cuts", n)
			require.Greater(t, n, 3)
		})
	}
}

// cuts has engine after engine dial until the batch is over, or there was a double call, and returns
// how often the power went.
func (r *rig) cuts(seed uint64, weak bool) (n int) {
	r.t.Helper()
	random := rand.New(rand.NewPCG(seed, 6))
	for {
		if r.id != "" {
			r.disk.CutAfter(1 + random.IntN(1200))
		}
		e := r.run(weak)
		over := false
		if e != nil {
			if r.id == "" {
				r.create(e)
				r.disk.CutAfter(1 + random.IntN(1200))
			}
			require.Eventually(r.t, func() bool {
				off, _ := r.disk.Off()
				over = !off && r.over(e)
				return off || over
			}, patient, often)
			e.stop()
		}
		r.disk = r.disk.Cut()
		if over || len(r.carrier.Books().DoublePlaced()) > 0 {
			return n
		}
		n++
	}
}

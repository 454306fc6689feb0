package batch_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
	"github.com/outdial/outdial/store/storetest"
)

// Random sequences of everything that can happen, judged by the carrier's books, by the
// status identity and, once the faults have stopped, by everything having ended.

// op is one thing that happens, with what it needs to choose.
type op struct {
	Kind string
	A, B int
}

func ops(kinds ...string) *rapid.Generator[[]op] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) op {
		return op{
			Kind: rapid.SampledFrom(kinds).Draw(t, "kind"),
			A:    rapid.IntRange(0, 40).Draw(t, "a"),
			B:    rapid.IntRange(0, 40).Draw(t, "b"),
		}
	}), 5, 40)
}

func TestRandomHonestCarrier(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := play{seed: rapid.Uint64().Draw(rt, "seed"), channels: rapid.IntRange(0, 8).Draw(rt, "channels")}
		p.ops = ops("create", "create", "wait", "wait", "cancel", "pause", "resume", "retry", "target", "limit",
			"crash", "restart", "faults", "rest", "cancel call", "reserve", "swap", "refuse").Draw(rt, "ops")
		p.check(t, rt)
	})
}

func TestRandomBrokenCarrier(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := play{seed: rapid.Uint64().Draw(rt, "seed"), broken: true}
		p.ops = ops("create", "create", "wait", "wait", "cancel", "retry", "target", "crash", "restart",
			"faults", "rest", "cancel call", "swap", "refuse").Draw(rt, "ops")
		p.check(t, rt)
	})
}

// play is one sequence and the world that it happens to.
type play struct {
	seed     uint64
	channels int
	broken   bool // calls whose dialer misbehaves, too, and a carrier that cannot resume
	ops      []op

	t        *testing.T
	rng      *rand.Rand
	faulty   atomic.Bool
	faultRNG *rand.Rand
	faultMu  sync.Mutex
	faults   *storetest.Faults
	carrier  *fake.Carrier
	refusing atomic.Int64 // of a hundred calls, by each carrier
	dir      *directory
	engine   *batch.Engine
	cut      *partition
	stops    []func() error
	parts    []*partition
	batches  []store.Batch
	retries  map[string]int // by batch, asked for
	targets  map[string]int // the highest that was ever allowed
	limits   map[string]int
	next     int // number to dial
}

// failure carries a failed requirement out of the bubble, to where rapid can shrink it.
type failure struct{ msg string }

type thrower struct{}

func (thrower) Errorf(format string, args ...any) { panic(failure{fmt.Sprintf(format, args...)}) }
func (thrower) FailNow()                          { panic(failure{"failed"}) }

func (p *play) check(t *testing.T, rt *rapid.T) {
	var failed string
	bubble(t, func(t *testing.T) {
		defer func() {
			if r := recover(); r != nil {
				f, ok := r.(failure)
				if !ok {
					panic(r)
				}
				failed = f.msg
			}
		}()
		defer p.close()
		p.t = t
		p.run()
	})
	if failed != "" {
		rt.Fatal(failed)
	}
}

var errInjected = errors.New("injected")

func (p *play) run() {
	p.rng = rand.New(rand.NewPCG(p.seed, 1))
	p.faultRNG = rand.New(rand.NewPCG(p.seed, 2))
	p.retries, p.targets, p.limits = map[string]int{}, map[string]int{}, map[string]int{"a": 6, "b": 3}
	p.faults = storetest.NewFaults(memory.New(), p.fault)
	p.dir = &directory{
		orgs:   map[string]batch.Organisation{"a": {ConcurrencyLimit: 6}, "b": {ConcurrencyLimit: 3}},
		number: batch.Number{E164: "+442079460000", Carriers: []string{"one", "two"}},
	}
	if p.seed%2 == 0 {
		p.dir.number.Weights = []int{2, 1}
	}
	carrier, err := fake.New(fake.Config{
		Books: true, Seed: p.seed, Ring: 10 * time.Second, Talk: time.Minute, Unavailable: 0.1,
		Limits: dialer.Limits{Channels: p.channels}, Shares: fake.Shares{Answer: 0.5, Busy: 0.1, Failed: 0.1, Refused: 0.1},
	})
	require.NoError(thrower{}, err)
	p.carrier = carrier
	p.start()
	for _, o := range p.ops {
		p.do(o)
		p.identity()
	}
	p.settle()
	p.judge()
}

// fault has one call of the store in five go wrong, before or after the write, while the
// faults are on.
func (p *play) fault(storetest.Point) storetest.Fault {
	if !p.faulty.Load() {
		return storetest.Fault{}
	}
	p.faultMu.Lock()
	defer p.faultMu.Unlock()
	f := storetest.Fault{Delay: time.Duration(p.faultRNG.IntN(2000)) * time.Millisecond}
	if p.faultRNG.IntN(5) == 0 {
		f.Err, f.After = errInjected, p.faultRNG.IntN(2) == 0
	}
	return f
}

// dialers makes two carriers over the one that keeps the books. Each refuses calls of its own.
func (p *play) dialers() map[string]dialer.Dialer {
	all := map[string]dialer.Dialer{}
	for i, name := range []string{"one", "two"} {
		g := &gatekeeper{limits: dialer.Limits{Channels: p.channels}, refuse: func(c dialer.Call) error {
			h := fnv.New64a()
			fmt.Fprint(h, p.seed, name, c.ID)
			return p.refusal(int(h.Sum64()%100), i)
		}}
		if p.broken {
			g.Dialer = p.carrier.WithoutResume()
			all[name] = g
		} else {
			g.Dialer = p.carrier.Dialer()
			all[name] = resumingGatekeeper{g}
		}
	}
	return all
}

type resumingGatekeeper struct{ *gatekeeper }

func (g resumingGatekeeper) Resume(
	ctx context.Context, c dialer.Call, report func(dialer.Progress),
) (dialer.Outcome, error) {
	return g.Dialer.(dialer.Resumer).Resume(ctx, c, report)
}

// refusal is what a carrier says to a call that has drawn a number below 100.
func (p *play) refusal(drawn, carrier int) error {
	switch {
	case drawn >= int(p.refusing.Load()):
		return nil
	case drawn%4 == 0:
		return &dialer.UnavailableError{}
	case drawn%4 == 1 && carrier == 0:
		return &dialer.UnavailableError{CallerOnly: true}
	case drawn%4 == 1:
		return &dialer.UnavailableError{AgentOnly: true}
	}
	return errForeign
}

// start has a new engine dial.
func (p *play) start() {
	p.cut = &partition{Store: p.faults}
	cfg := batch.Config{
		Store: p.cut, Directory: p.dir, Dialers: p.dialers(), DrainTimeout: 20 * time.Second,
	}
	e, err := batch.New(cfg)
	require.NoError(thrower{}, err)
	p.engine = e
	p.stops = append(p.stops, keepRunning(e, cfg))
	p.parts = append(p.parts, p.cut)
}

// keepRunning does what a supervisor would: an engine may fail to begin while the store
// is faulty.
func keepRunning(e *batch.Engine, cfg batch.Config) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := e.Run(ctx)
		for err != nil && ctx.Err() == nil {
			pass(time.Second)
			if e, err = batch.New(cfg); err == nil {
				err = e.Run(ctx)
			}
		}
		done <- err
	}()
	return sync.OnceValue(func() error { cancel(); return <-done })
}

func (p *play) do(o op) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	switch o.Kind {
	case "create":
		p.create(ctx, o)
		return
	case "wait":
		pass(time.Duration(1+o.A*o.B) * 100 * time.Millisecond)
		return
	case "limit":
		id := []string{"a", "b"}[o.A%2]
		p.limits[id] = max(p.limits[id], o.B%9)
		p.dir.limit(id, o.B%9)
		return
	case "crash":
		p.cut.cut() // the old engine goes on, cut off, as a paused one would
		p.start()
		return
	case "restart":
		_ = p.stops[len(p.stops)-1]()
		p.start()
		return
	case "faults":
		p.faulty.Store(o.A%2 == 0)
		return
	case "rest":
		p.carrier.Rest(time.Duration(o.A) * time.Second)
		return
	case "reserve":
		p.reserve(o)
		return
	case "refuse":
		p.refusing.Store(int64(o.A * 2))
		return
	case "swap":
		_, err := p.engine.SetDialers(p.dialers())
		require.NoError(thrower{}, err)
		return
	}
	if len(p.batches) > 0 {
		p.change(ctx, o, p.batches[o.A%len(p.batches)])
	}
}

func (p *play) reserve(o op) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if release, err := p.engine.Reserve(ctx, "a", 1+o.A%3); err == nil {
		pass(time.Duration(o.B) * time.Second)
		release()
	}
}

func (p *play) create(ctx context.Context, o op) {
	r := request(1 + o.A%30)
	r.Recipients = numbers(p.next, len(r.Recipients))
	if p.broken {
		for i := range r.Recipients {
			p.breakOne(dialer.Phone(r.Recipients[i].To))
		}
	}
	p.next += len(r.Recipients)
	r.MaxDuration = 2 * time.Minute
	r.Weight = 1 + o.B%3
	r.Key = fmt.Sprint("key", p.next)
	if o.B%5 == 0 {
		r.ScheduledAt = time.Now().Add(time.Duration(1+o.A) * time.Minute)
	}
	id := []string{"a", "b"}[o.B%2]
	b, err := p.engine.Create(ctx, id, r)
	if err != nil {
		b, err = p.engine.Create(ctx, id, r) // once more under the same key
	}
	if err == nil {
		p.batches = append(p.batches, b)
		p.targets[b.ID] = b.Target
	}
}

// breakOne gives one number in three a dialer that misbehaves.
func (p *play) breakOne(n dialer.Phone) {
	faults := []fake.Fault{
		fake.Hang, fake.PanicBeforePlacing, fake.PanicWhileRinging, fake.LoseReply, fake.IgnoreCancel,
		fake.IgnoreMaxDuration, fake.IgnoreRingTimeout, fake.ReportTwice, fake.ReportReversed, fake.ReportLate,
	}
	if p.rng.IntN(3) == 0 {
		p.carrier.Script(n, fake.Behaviour{
			Fault: faults[p.rng.IntN(len(faults))], Ring: time.Duration(p.rng.IntN(90)) * time.Second,
			Talk: time.Duration(p.rng.IntN(300)) * time.Second,
		})
	}
}

func (p *play) change(ctx context.Context, o op, b store.Batch) {
	switch o.Kind {
	case "cancel":
		if _, err := p.engine.Cancel(ctx, b.Org, b.ID); err == nil {
			p.noneQueued(b) //nolint:contextcheck // the truth is read whatever became of ctx
		}
	case "pause":
		_, _ = p.engine.Pause(ctx, b.Org, b.ID)
	case "resume":
		_, _ = p.engine.Resume(ctx, b.Org, b.ID)
	case "retry":
		p.retry(ctx, o, b)
	case "target":
		n := 1 + o.B%8
		p.targets[b.ID] = max(p.targets[b.ID], n)
		_, _ = p.engine.SetTarget(ctx, b.Org, b.ID, n)
	case "cancel call":
		cs, err := p.engine.Calls(ctx, store.CallQuery{Org: b.Org, BatchID: b.ID, InFlight: true})
		if err == nil && len(cs) > 0 {
			_ = p.engine.CancelCall(ctx, b.Org, cs[o.B%len(cs)].ID)
		}
	}
}

// retry repeats one under a key, which counts once however it went.
func (p *play) retry(ctx context.Context, o op, b store.Batch) {
	p.retries[b.ID]++
	if o.B%2 == 0 {
		_, _ = p.engine.Retry(ctx, b.Org, b.ID)
		return
	}
	for range 3 {
		_, _, _ = p.engine.RetryOnce(ctx, b.Org, b.ID, fmt.Sprint("retry", p.retries[b.ID]))
		pass(time.Duration(o.A) * time.Second) // for who was queued to fail again
	}
}

// truth reads from the store beneath the faults.
func (p *play) truth(b store.Batch) (store.Batch, []store.Recipient) {
	faulty := p.faulty.Swap(false)
	defer p.faulty.Store(faulty)
	got, err := p.faults.Batch(context.Background(), b.Org, b.ID)
	require.NoError(thrower{}, err)
	rs, err := p.faults.Recipients(context.Background(), store.RecipientQuery{Org: b.Org, BatchID: b.ID})
	require.NoError(thrower{}, err)
	return got, rs
}

func (p *play) noneQueued(b store.Batch) {
	got, _ := p.truth(b)
	require.Zero(thrower{}, got.Counts.Queued, "cancel has returned")
}

// identity checks that the counts of every batch add up, and are those of its rows.
func (p *play) identity() {
	for _, b := range p.batches {
		got, _ := p.truth(b)
		require.Equal(thrower{}, b.Counts.Scheduled(), got.Counts.Scheduled(), "scheduled is constant")
		require.GreaterOrEqual(thrower{}, min(got.Counts.Queued, got.Counts.Dispatched, got.Counts.Started,
			got.Counts.Completed, got.Counts.Failed, got.Counts.Cancelled), 0)
	}
}

// settle ends the faults and waits for everything to end.
func (p *play) settle() {
	p.faulty.Store(false)
	p.refusing.Store(0)
	p.carrier.Rest(0)
	p.dir.limit("a", 6)
	p.dir.limit("b", 3)
	p.limits["a"], p.limits["b"] = max(p.limits["a"], 6), max(p.limits["b"], 3)
	for _, part := range p.parts {
		part.heal()
	}
	for i, b := range p.batches {
		_, err := p.engine.Resume(context.Background(), b.Org, b.ID)
		require.NoError(thrower{}, err)
		for left := 10_000; ; left-- {
			got, rs := p.truth(b)
			if got.Counts.Over() {
				break
			}
			require.Positive(thrower{}, left, "batch %d never ends: %+v %+v", i, got, rs)
			pass(5 * time.Second)
		}
	}
}

func (p *play) judge() {
	books := p.carrier.Books()
	require.Empty(thrower{}, books.DoubleRings())
	require.Empty(thrower{}, books.DoublePlaced())
	for _, b := range p.batches {
		p.judgeBatch(books, b)
	}
	if p.broken {
		return // calls go on at this carrier after their dialer has given them up
	}
	for id, limit := range p.limits {
		require.LessOrEqual(thrower{}, books.MostAtOnce(fake.Scope{Org: id}), limit, "limit of %s", id)
	}
	if p.channels > 0 && !p.crashed() {
		require.LessOrEqual(thrower{}, books.MostAtOnce(fake.Scope{}), 2*p.channels, "channels of the two")
	}
	for id := range p.limits {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		release, err := p.engine.Reserve(ctx, id, map[string]int{"a": 6, "b": 3}[id])
		require.NoError(thrower{}, err, "a slot of %s leaked", id)
		release()
		cancel()
	}
}

// crashed says whether two engines may have run at once: the carrier's channels are known
// to one process only, unlike the limits that the store checks.
func (p *play) crashed() bool {
	for _, o := range p.ops {
		if o.Kind == "crash" || o.Kind == "restart" {
			return true
		}
	}
	return false
}

func (p *play) judgeBatch(books fake.Books, b store.Batch) {
	got, rs := p.truth(b)
	counts := fsm.Counts{Unplaced: got.Counts.Unplaced}
	for _, r := range rs {
		counts.Add(r.Status, 1)
		dials := books.Dials(fake.Scope{Recipient: r.ID()})
		require.LessOrEqual(thrower{}, dials, 2*r.Attempts, "more calls than attempts have carriers")
		placed := books.Placed(fake.Scope{Recipient: r.ID()})
		require.LessOrEqual(thrower{}, placed, 1+p.retries[b.ID], "called again without being asked to")
		if r.Status == fsm.Completed {
			require.Positive(thrower{}, placed)
		}
		require.NotEqual(thrower{}, r.CallID != "", r.Error != "" || r.Status == fsm.Cancelled,
			"a call or a message why there was none: %+v", r)
	}
	require.Equal(thrower{}, got.Counts, counts)
	if !p.broken {
		require.LessOrEqual(thrower{}, books.MostAtOnce(fake.Scope{Batch: b.ID}), p.targets[b.ID], "target")
	}
}

func (p *play) close() {
	p.faulty.Store(false)
	for _, part := range p.parts {
		part.heal()
	}
	_ = p.carrier.Close()
	for _, stop := range p.stops {
		_ = stop()
	}
}

package guard

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/dialertest"
	"github.com/outdial/outdial/dialer/fake"
)

// carrier counts what comes to it.
type carrier struct {
	dialled, resumed, closed atomic.Int64

	fail error
}

func (c *carrier) Dial(context.Context, dialer.Call, func(dialer.Progress)) (dialer.Outcome, error) {
	c.dialled.Add(1)
	return dialer.Outcome{Reason: dialer.AgentHangup}, c.fail
}

func (c *carrier) Close() error {
	c.closed.Add(1)
	return errors.New("stuck")
}

func (c *carrier) Limits() dialer.Limits { return dialer.Limits{Channels: 7} }

func (c *carrier) Probe(context.Context) error { return errors.New("out of order") }

type lasting struct{ *carrier }

func (l lasting) Resume(context.Context, dialer.Call, func(dialer.Progress)) (dialer.Outcome, error) {
	l.resumed.Add(1)
	return dialer.Outcome{Reason: dialer.ClientHangup}, nil
}

func guarded(tb testing.TB, d dialer.Dialer, rules Rules) dialer.Dialer {
	tb.Helper()
	if rules.Allow == nil {
		rules.Allow = western()
	}
	g, err := New(d, rules)
	require.NoError(tb, err)
	return g
}

func call(to string) dialer.Call {
	return dialer.Call{ID: "call_1", From: "+442079460000", To: dialer.Phone(to)}
}

func ignore(dialer.Progress) {}

// TestConformance has a guard pass everything that a dialer has to.
func TestConformance(t *testing.T) {
	for _, resumer := range []bool{true, false} {
		t.Run(fmt.Sprintf("resumer %v", resumer), func(t *testing.T) {
			dialertest.Test(t, dialertest.Harness{
				New: func(t *testing.T) dialertest.Bench { return bench(t, resumer) }, Resumer: resumer, Limiter: true, Bubble: true,
			})
		})
	}
}

func bench(t *testing.T, resumer bool) dialertest.Bench {
	t.Helper()
	c, err := fake.New(fake.Config{Books: true})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	d := c.WithoutResume()
	if resumer {
		d = c.Dialer()
	}
	var last atomic.Int64
	return dialertest.Bench{
		// The suite makes a thousand calls at once, to numbers that stand beside each other.
		Dialer: guarded(t, d, Rules{Hourly: 2000}),
		Call: func(callee dialertest.Callee) dialer.Call {
			to := dialer.Phone(fmt.Sprintf("+4420794%05d", last.Add(1)))
			c.Script(to, behaviours()[callee])
			return dialer.Call{From: "+442079460000", To: to}
		},
		Live:   c.Live,
		Placed: func() int { return c.Books().Placed(fake.Scope{}) },
	}
}

func behaviours() map[dialertest.Callee]fake.Behaviour {
	const brief = 2 * time.Millisecond
	return map[dialertest.Callee]fake.Behaviour{
		dialertest.Answers:      {Ring: brief, Talk: brief},
		dialertest.Busy:         {Ring: brief, End: dialer.DialBusy},
		dialertest.RingsForever: {Ring: fake.Forever},
		dialertest.TalksForever: {Ring: brief, Talk: fake.Forever},
		dialertest.Refused:      {Fault: fake.Refuse},
		dialertest.Unavailable:  {UnavailableFor: fake.Forever},
	}
}

func TestWhatIsPassedOn(t *testing.T) {
	c := &carrier{}
	for _, test := range []struct {
		d       dialer.Dialer
		resumer bool
	}{{c, false}, {lasting{c}, true}} {
		g := guarded(t, test.d, Rules{})
		r, ok := g.(dialer.Resumer)
		require.Equal(t, test.resumer, ok)
		require.Equal(t, dialer.Limits{Channels: 7}, g.(dialer.Limiter).Limits())
		p, ok := dialer.As[dialer.Prober](g)
		require.True(t, ok)
		require.EqualError(t, p.Probe(t.Context()), "out of order")
		require.EqualError(t, g.(interface{ Close() error }).Close(), "stuck")
		require.Equal(t, test.d, g.(interface{ Unwrap() dialer.Dialer }).Unwrap())
		if test.resumer {
			found, ok := dialer.As[lasting](g)
			require.True(t, ok)
			require.Equal(t, test.d, found)
			// A call that a former configuration allowed has been placed, so it is followed.
			_, err := r.Resume(t.Context(), call("+870773123456"), ignore)
			require.NoError(t, err)
			require.Equal(t, int64(1), c.resumed.Load())
		}
	}
	require.Equal(t, int64(2), c.closed.Load())
	bare := guarded(t, struct{ dialer.Dialer }{c}, Rules{})
	require.Zero(t, bare.(dialer.Limiter).Limits())
	require.NoError(t, bare.(interface{ Close() error }).Close())
	err := bare.(dialer.Prober).Probe(t.Context())
	require.ErrorIs(t, err, ErrCannotProbe)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestARefusedCallDoesNotReachTheCarrier(t *testing.T) {
	c := &carrier{}
	g := guarded(t, c, Rules{})
	_, err := g.Dial(t.Context(), call("+18764441234"), ignore)
	require.ErrorIs(t, err, dialer.ErrNotPlaced)
	var unavailable *dialer.UnavailableError
	require.NotErrorAs(t, err, &unavailable, "it would be queued again for ever")
	require.Zero(t, c.dialled.Load())
	outcome, err := g.Dial(t.Context(), call("+442079460000"), ignore)
	require.NoError(t, err)
	require.Equal(t, dialer.AgentHangup, outcome.Reason)
	require.Equal(t, int64(1), c.dialled.Load())
}

// pass lets the time of a bubble pass.
func pass(d time.Duration) { <-time.After(d) }

// dials returns how many of n calls were let through.
func dials(t *testing.T, g dialer.Dialer, to string, n int) int {
	t.Helper()
	placed := 0
	for i := range n {
		_, err := g.Dial(t.Context(), call(fmt.Sprintf(to, i%1000)), ignore)
		switch refused, ok := errors.AsType[*RefusedError](err); {
		case err == nil:
			placed++
		case ok:
			require.Equal(t, Hourly, refused.Rule)
			require.ErrorIs(t, err, dialer.ErrNotPlaced)
		}
	}
	return placed
}

func TestNoBlockGetsMoreThanItsCallsWithinAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guarded(t, &carrier{}, Rules{})
		require.Equal(t, 150, dials(t, g, "+442079460%03d", 150))
		pass(30 * time.Minute)
		require.Equal(t, 50, dials(t, g, "+442079460%03d", 100))
		require.Equal(t, 200, dials(t, g, "+442079461%03d", 300), "another block has its own")
		pass(30*time.Minute - time.Nanosecond)
		require.Zero(t, dials(t, g, "+442079460%03d", 100), "it is not an hour yet")
		pass(time.Minute + time.Nanosecond)
		require.Equal(t, 150, dials(t, g, "+442079460%03d", 300), "the first have left the window, the others have not")
		pass(100 * time.Hour)
		require.Equal(t, 200, dials(t, g, "+442079460%03d", 300))

		_, err := g.Dial(t.Context(), call("+442079460123"), ignore)
		require.EqualError(t, err, "refused by the toll-fraud guard: 200 calls within an hour have gone to the numbers that "+
			"differ from +4420•••0123 in the last 3 digits, which is the most there may be")
	})
}

// TestTheLimitHoldsInEveryHour makes calls all the time, and looks at each hour that there was.
func TestTheLimitHoldsInEveryHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 20
		g := guarded(t, &carrier{}, Rules{Hourly: most})
		var placed []time.Time
		for range 2000 {
			if dials(t, g, "+442079460%03d", 1) == 1 {
				placed = append(placed, time.Now())
			}
			pass(17 * time.Second)
		}
		for i := most; i < len(placed); i++ {
			require.GreaterOrEqual(t, placed[i].Sub(placed[i-most]), time.Hour)
		}
		require.Greater(t, len(placed), 9*most, "and nearly as many are placed as may be")
	})
}

func TestWhatWasNotPlacedDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &carrier{fail: fmt.Errorf("503: %w", &dialer.UnavailableError{})}
		g := guarded(t, c, Rules{Hourly: 10})
		require.Zero(t, dials(t, g, "+442079460%03d", 100))
		require.Equal(t, int64(100), c.dialled.Load(), "all of them were offered")
		c.fail = nil
		require.Equal(t, 10, dials(t, g, "+442079460%03d", 20))
		pass(2 * time.Hour)
		c.fail = errors.New("the line broke")
		require.Zero(t, dials(t, g, "+442079460%03d", 10))
		c.fail = nil
		require.Zero(t, dials(t, g, "+442079460%03d", 10), "a call of unknown fate may have cost")
	})
}

func TestNoLimitAndOtherBlocks(t *testing.T) {
	none := guarded(t, &carrier{}, Rules{Hourly: -1})
	require.Equal(t, 1000, dials(t, none, "+442079460%03d", 1000))
	ten := guarded(t, &carrier{}, Rules{Hourly: 2, Block: 1})
	require.Equal(t, 200, dials(t, ten, "+442079460%03d", 1000), "two for each block of ten")
}

func TestTheLimitHoldsForManyAtOnce(t *testing.T) {
	c := &carrier{}
	g := guarded(t, c, Rules{Hourly: 100})
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for j := range 100 {
				_, _ = g.Dial(t.Context(), call(fmt.Sprintf("+44207946%d%03d", i%2, j)), ignore)
			}
		})
	}
	all.Wait()
	require.Equal(t, int64(200), c.dialled.Load())
}

// BenchmarkDial tells what the guard adds to a call.
func BenchmarkDial(b *testing.B) {
	g := guarded(b, &carrier{}, Rules{Hourly: 1 << 30})
	ctx := b.Context()
	numbers := make([]dialer.Call, 10_000)
	for i := range numbers {
		numbers[i] = call(fmt.Sprintf("+4420794%05d", i))
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Dial(ctx, numbers[i%len(numbers)], ignore); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

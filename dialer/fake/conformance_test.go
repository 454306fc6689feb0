package fake_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/dialertest"
	"github.com/outdial/outdial/dialer/fake"
)

// newBench makes a carrier whose callees do what the suite asks for, each with a number of
// its own.
func newBench(dialerOf func(*fake.Carrier) dialer.Dialer) func(*testing.T) dialertest.Bench {
	return func(t *testing.T) dialertest.Bench {
		t.Helper()
		c, err := fake.New(fake.Config{Books: true})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		var numbers atomic.Int64
		return dialertest.Bench{
			Dialer: dialerOf(c),
			Live:   c.Live,
			Placed: func() int { return c.Books().Placed(fake.Scope{}) },
			Call: func(callee dialertest.Callee) dialer.Call {
				to := dialer.Phone(fmt.Sprintf("+1415%07d", numbers.Add(1)))
				c.Script(to, behaviours()[callee])
				return dialer.Call{From: "+442071838750", To: to}
			},
		}
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

//nolint:paralleltest // the suite counts goroutines
func TestDialer(t *testing.T) {
	dialertest.Test(t, dialertest.Harness{New: newBench((*fake.Carrier).Dialer), Resumer: true, Limiter: true})
}

//nolint:paralleltest // the suite counts goroutines
func TestDialerInABubble(t *testing.T) {
	dialertest.Test(t, dialertest.Harness{
		New: newBench((*fake.Carrier).Dialer), Resumer: true, Limiter: true, Bubble: true,
	})
}

//nolint:paralleltest // the suite counts goroutines
func TestWithoutResume(t *testing.T) {
	dialertest.Test(t, dialertest.Harness{New: newBench((*fake.Carrier).WithoutResume), Limiter: true})
}

//nolint:paralleltest // the suite counts goroutines
func TestWithoutResumeInABubble(t *testing.T) {
	dialertest.Test(t, dialertest.Harness{
		New: newBench((*fake.Carrier).WithoutResume), Limiter: true, Bubble: true,
	})
}

// A carrier behind a socket obeys the same rules as one in the process.
//
//nolint:paralleltest // the suite counts goroutines
func TestRemote(t *testing.T) {
	dialertest.Test(t, dialertest.Harness{New: newBench(func(c *fake.Carrier) dialer.Dialer {
		return fake.Remote(serve(t, c), dialer.Limits{})
	}), Resumer: true, Limiter: true})
}

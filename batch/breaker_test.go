package batch

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func TestABreakerTripsWhenHalfOfTheCallsBreak(t *testing.T) {
	now := noon()
	tests := []struct {
		name    string
		results string // of calls in order: x broke, o went
		open    bool
	}{
		{"too few to tell", "xxxxxxxxx", false},
		{"all of enough", "xxxxxxxxxx", true},
		{"fewer than half", "oooooooooooxxxxxxxxx", false},
		{"half", "ooooooooooxxxxxxxxxx", true},
		{"long ago", "xxxxxxxxxoooooooooooooooooooooooooooooxxxxxxxxx", false},
		{"lately", "ooooooooooooooooooooooooooooooooooooooooxxxxxxxxxx", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &breaker{}
			for _, r := range tt.results {
				if r == 'x' {
					b.broke(now, "502")
				} else {
					b.went(now)
				}
			}
			_, ok := b.allows(now)
			require.Equal(t, !tt.open, ok)
			if tt.open {
				require.Equal(t, "502", b.state(now).Cause)
			}
		})
	}
}

func TestATrippedBreakerIsClosedByACallThatWentOnly(t *testing.T) {
	b, now := &breaker{}, noon()
	for range minResults {
		b.broke(now, "502")
	}
	require.Equal(t, BreakerOpen, b.state(now).Position)
	for _, rest := range []time.Duration{minRest, 2 * minRest, 4 * minRest} {
		_, ok := b.allows(now.Add(rest - 1))
		require.False(t, ok)
		now = now.Add(rest)
		_, ok = b.allows(now)
		require.True(t, ok)
		b.begin(now)
		require.Equal(t, BreakerHalfOpen, b.state(now).Position)
		require.False(t, b.took(now), "it took calls before, too, and broke them")
		require.True(t, b.broke(now, "503"))
	}
	now = now.Add(8 * minRest)
	b.begin(now)
	require.True(t, b.went(now))
	require.Equal(t, BreakerClosed, b.state(now).Position)
	require.False(t, b.broke(now, "504"), "it begins anew")
}

// A call that was none makes room for one more probe, not for as many as there are.
func TestACallThatWasNoneLetsOneMoreBegin(t *testing.T) {
	b, now := &breaker{}, noon()
	b.refused(now, complaint{cause: "503"})
	now = now.Add(minRest)
	probes := func() (n int) {
		for ; n < 2*maxProbes; n++ {
			if _, ok := b.allows(now); !ok {
				return n
			}
			b.begin(now)
		}
		return n
	}
	require.Equal(t, maxProbes, probes())
	b.unused()
	require.Equal(t, 1, probes())
	for range 2 * maxProbes {
		b.unused()
	}
	require.Equal(t, maxProbes, probes())
}

// The numbers to call from are the host's: what is kept of them is bounded.
func TestCallersAreForgotten(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{}), noon()
	c.learn(fateCaller, "+15550000", now, now, complaint{time.Hour, "not verified", ""})
	for i := range 5000 {
		c.learn(fateBroke, dialer.Phone("+1555"+string(rune('a'+i%26))+time.Duration(i).String()), now, now, complaint{})
	}
	require.LessOrEqual(t, len(c.callers), 1000)
	require.Contains(t, c.callers, dialer.Phone("+15550000"), "it rests")
}

// What ends an attempt, and what it says of the carrier.
func TestFates(t *testing.T) {
	dispatched, started := attempt{status: fsm.Dispatched}, attempt{status: fsm.Started}
	detached := attempt{status: fsm.Dispatched, detached: true}
	placed := errors.New("no answer to the request")
	tests := []struct {
		name string
		a    attempt
		o    dialer.Outcome
		err  error
		want fate
	}{
		{"unknown", dispatched, dialer.Outcome{}, placed, fateBroke},
		{"unknown when connected", started, dialer.Outcome{}, placed, fateTook},
		{"refused", dispatched, dialer.Outcome{}, dialer.ErrNotPlaced, fateWent},
		{"full", dispatched, dialer.Outcome{}, &dialer.UnavailableError{}, fateUnavailable},
		{"caller", dispatched, dialer.Outcome{}, &dialer.UnavailableError{CallerOnly: true}, fateCaller},
		{"agent", dispatched, dialer.Outcome{}, &dialer.UnavailableError{AgentOnly: true}, fateUnasked},
		{"orphan", dispatched, dialer.Outcome{}, errOrphan, fateUnasked},
		{"lease over", dispatched, dialer.Outcome{}, errLeaseOver, fateUnasked},
		{"let go of", detached, dialer.Outcome{}, dialer.ErrNotPlaced, fateUnasked},
		{"error", dispatched, dialer.Outcome{Reason: dialer.Error}, nil, fateBroke},
		{"error when connected", started, dialer.Outcome{Reason: dialer.Error}, nil, fateTook},
		{"error after connected", dispatched, dialer.Outcome{Reason: dialer.Error, ConnectedAt: noon()}, nil, fateWent},
		{"busy", dispatched, dialer.Outcome{Reason: dialer.DialBusy}, nil, fateWent},
		{"cancelled at once", dispatched, dialer.Outcome{Reason: dialer.APICancelled}, nil, fateUnasked},
		{"cancelled ringing", dispatched, dialer.Outcome{Reason: dialer.APICancelled, RangAt: noon()}, nil, fateWent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, tt.a.fate(tt.a.verdict(tt.err), tt.o, tt.err))
		})
	}
}

func TestACallIsKnownToHaveBeenRefused(t *testing.T) {
	tries := []store.Try{{Carrier: "one"}, {Carrier: "two"}}
	require.True(t, refusedBefore(store.Call{Status: fsm.Dispatched, Carrier: "two", Tries: tries}))
	require.False(t, refusedBefore(store.Call{Status: fsm.Dispatched, Carrier: "three", Tries: tries}), "it moved on")
	require.False(t, refusedBefore(store.Call{Status: fsm.Started, Carrier: "two", Tries: tries}))
	require.False(t, refusedBefore(store.Call{Status: fsm.Dispatched, Carrier: "two"}))
}

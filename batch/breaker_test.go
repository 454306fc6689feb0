package batch

import (
	"errors"
	"fmt"
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
					b.broke(now, now, "502")
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
		b.broke(now, now, "502")
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
		require.True(t, b.broke(now, now, "503"))
	}
	now = now.Add(8 * minRest)
	b.begin(now)
	require.True(t, b.went(now))
	require.Equal(t, BreakerClosed, b.state(now).Position)
	require.False(t, b.broke(now, now, "504"), "it begins anew")
}

// A call that was none makes room for one more probe, not for as many as there are.
func TestACallThatWasNoneLetsOneMoreBegin(t *testing.T) {
	b, now := &breaker{}, noon()
	b.refused(now, now, complaint{cause: "503"})
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
	b.tried(now)
	require.Equal(t, 1, probes())
	for range 2 * maxProbes {
		b.tried(now)
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
	dispatched, started := &attempt{status: fsm.Dispatched}, &attempt{status: fsm.Started}
	detached := &attempt{status: fsm.Dispatched, detached: true}
	placed := errors.New("no answer to the request")
	tests := []struct {
		name string
		a    *attempt
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

// The numbers to call from are the host's, who may have millions: what is kept of those that were refused is bounded,
// too, and it is the latest.
func TestCallersThatWereRefusedLongAgoAreForgotten(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{}), noon()
	from := func(i int) dialer.Phone { return dialer.Phone(fmt.Sprintf("+1202%07d", i)) }
	const callers = 20_000
	for i := range callers {
		now = now.Add(time.Minute)
		c.learn(fateCaller, from(i), now, now, complaint{after: 30 * time.Minute, cause: "not verified"})
	}
	require.LessOrEqual(t, len(c.callers), 1000)
	for i := range 30 {
		require.Contains(t, c.callers, from(callers-1-i), "it rests")
	}
}

// Calls that were begun before a rest are no probes: that they end makes room for none.
func TestACallFromBeforeTheRestIsNoProbe(t *testing.T) {
	for name, end := range map[string]func(c *carrier, begun, now time.Time){
		"it was not asked for it": func(c *carrier, begun, now time.Time) { c.learn(fateUnasked, "", begun, now, complaint{}) },
		"there was no recipient":  func(c *carrier, begun, _ time.Time) { c.unused("", begun, 1) },
		"it went":                 func(c *carrier, begun, now time.Time) { c.learn(fateWent, "", begun, now, complaint{}) },
	} {
		t.Run(name, func(t *testing.T) {
			c, now := newTestCarrier(dialer.Limits{}), noon()
			const calls = 20
			for range calls {
				take(t, c, newSeat(), now)
			}
			begun := now
			now = now.Add(time.Second)
			refused(c, now, time.Second)
			now = now.Add(time.Second)
			probes := 0
			for range calls {
				if _, ok := c.try(&newSeat().seat, "", now, 1); ok {
					probes++
				}
				end(c, begun, now)
			}
			require.Equal(t, maxProbes, probes)
		})
	}
}

// tripped is a carrier that has just tripped, with so many calls under way which were begun before.
func tripped(t *testing.T, now time.Time) *carrier {
	t.Helper()
	c := newTestCarrier(dialer.Limits{})
	for range minResults {
		c.learn(fateBroke, "", now.Add(-time.Minute), now, complaint{cause: "502"})
	}
	delete(c.callers, "")
	require.True(t, c.breaker.tripped)
	return c
}

// Each call that breaks down is a person written off, and may take a minute to: none begins beside the probes until
// it is known what became of them.
func TestATrippedCarrierHasFewProbesHoweverLongTheyTake(t *testing.T) {
	now := noon()
	c, s := tripped(t, now), newSeat()
	now = now.Add(minRest)
	begun := now
	probe(t, c, s, now)
	now = now.Add(10 * probeTime)
	require.Zero(t, refuse(t, c, s, now, WaitNoCarrier), "it is woken")

	c.learn(fateBroke, "", begun.Add(-time.Hour), now, complaint{})
	require.Equal(t, BreakerHalfOpen, c.breaker.state(now).Position, "that was to be expected")
	c.learn(fateTook, "", begun, now, complaint{})
	refuse(t, c, s, now, WaitNoCarrier)

	c.learn(fateUnasked, "", begun, now, complaint{})
	require.Equal(t, 1, s.woken)
	take(t, c, s, now)
	refuse(t, c, s, now, WaitNoCarrier)

	c.learn(fateBroke, "", begun, now, complaint{})
	require.Equal(t, 2, s.woken)
	now = refuse(t, c, s, now, WaitNoCarrier)
	take(t, c, s, now)
	require.Zero(t, refuse(t, c, s, now, WaitNoCarrier), "one from before the latest rest is under way yet")
	c.learn(fateWent, "", now, now, complaint{})
	c.heard(now, true)
	for range 2 * maxProbes {
		take(t, c, s, now)
	}
	refuse(t, c, s, now, WaitNoCarrier)
}

// After a rest a carrier is asked for more calls as it takes them, and for any number in the end.
func TestACarrierIsAskedForMoreAsItTakesThem(t *testing.T) {
	now := noon()
	c, s := newTestCarrier(dialer.Limits{}), newSeat()
	asked := func() (n int) {
		for ; n < 2*fullSpeed; n++ {
			if _, ok := c.try(&s.seat, "", now, 1); !ok {
				return n
			}
			c.placed(now)
		}
		return n
	}
	refused(c, now, 0)
	now = now.Add(minRest)
	require.Equal(t, maxProbes, asked())
	now = now.Add(time.Millisecond)
	took(c, now)
	require.Equal(t, 2*maxProbes, asked())

	c.heard(now, false)
	require.Equal(t, 1, asked(), "one was not asked for in the end")
	woken := s.woken
	took(c, now)
	require.Equal(t, woken+1, s.woken)
	require.Equal(t, 2*maxProbes+1, asked(), "twice as many, of which all but one are under way")
	c.heard(now.Add(-time.Minute), true)
	require.Zero(t, asked(), "from before the rest: it says nothing")

	now = now.Add(probeTime)
	require.Equal(t, 4*maxProbes, asked(), "it may say nothing before a call is over")
	for range 5 {
		took(c, now)
	}
	require.Equal(t, 2*fullSpeed, asked())

	refused(c, now, 0)
	now = now.Add(minRest)
	require.Equal(t, maxProbes, asked())
}

// Calls that were begun before it tripped break down for as long as they take, and do not trip it anew.
func TestACarrierThatHasRecoveredIsNotTrippedByWhatWasBegunBefore(t *testing.T) {
	now := noon()
	c, s := tripped(t, now), newSeat()
	before := now
	now = now.Add(minRest)
	take(t, c, s, now)
	c.learn(fateWent, "", now, now, complaint{})
	for range 2 * windowSize {
		c.learn(fateBroke, "", before, now, complaint{})
	}
	require.Equal(t, BreakerClosed, c.breaker.state(now).Position)
	for range minResults {
		c.learn(fateBroke, "", now, now, complaint{})
	}
	require.Equal(t, BreakerOpen, c.breaker.state(now).Position)
}

// A recipient that is refused once more is meant only where the carrier took others, and as many as it refused.
func TestACallThatWasTakenExcusesOneRefusal(t *testing.T) {
	c, start := newTestCarrier(dialer.Limits{}), noon()
	require.False(t, c.excuses(start), "it has taken none")
	at := start.Add(time.Second)
	a := &attempt{carrier: c, begun: at}
	for _, f := range []fate{fateTook, fateWent, fateTook} { // it rings, is answered, and is over
		a.tell(f, at, complaint{})
	}
	require.False(t, c.excuses(at.Add(1)), "that was before")
	require.True(t, c.excuses(at))
	require.False(t, c.excuses(at), "it is one call")

	for range 10 * maxCredit {
		(&attempt{carrier: c, begun: at}).tell(fateWent, at, complaint{})
	}
	for range maxCredit {
		require.True(t, c.excuses(start))
	}
	require.False(t, c.excuses(start), "a carrier that goes down has taken many")

	(&attempt{carrier: c, begun: at}).tell(fateWent, at, complaint{})
	now := at.Add(time.Second)
	refused(c, now, 0)
	require.False(t, c.excuses(start), "it was before it refused others")
	(&attempt{carrier: c, begun: now}).tell(fateWent, now, complaint{})
	require.False(t, c.excuses(start), "it was begun with one that was refused")
	now = now.Add(time.Second)
	(&attempt{carrier: c, begun: now}).tell(fateWent, now, complaint{})
	require.True(t, c.excuses(start))
}

// One that found no probe left gets one after the next rest, unless it has no use for it by then.
func TestAProbeIsKeptForWhoCanUseIt(t *testing.T) {
	for name, uses := range map[string]bool{"it waits for one": true, "its agent rests": false} {
		t.Run(name, func(t *testing.T) {
			c, now := newTestCarrier(dialer.Limits{}), noon()
			a, b := newSeat(), newSeat()
			refused(c, now, 0)
			now = now.Add(minRest)
			probe(t, c, b, now)
			refuse(t, c, a, now, WaitNoCarrier)
			c.yield(&a.seat) // as after each plan that began no call
			refused(c, now, 0)
			require.Equal(t, 1, a.woken)
			a.rested = false // as before each plan
			if uses {
				refuse(t, c, a, now, WaitNoCarrier)
			}
			c.yield(&a.seat)
			now = now.Add(2 * minRest)
			take(t, c, b, now)
			if uses {
				refuse(t, c, b, now, WaitNoCarrier)
				take(t, c, a, now)
			} else {
				take(t, c, b, now)
			}
		})
	}
}

// What keeps a seat out may be the number that it calls from. The carrier's last place is not kept for it then.
func TestAPlaceIsNotKeptForWhoCannotUseIt(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{}), noon()
	a, b := newSeat(), newSeat()
	try := func(s *counted, from dialer.Phone) bool {
		_, ok := c.try(&s.seat, from, now, 1)
		if ok {
			c.placed(now)
		}
		return ok
	}
	// The number +1 breaks calls down, and is tried out by two calls that take long.
	for range minResults {
		require.True(t, try(b, "+1"))
		c.learn(fateBroke, "+1", now, now, complaint{})
		c.breaker.n, c.breaker.broken = 0, 0 // the carrier has many others, which go well
	}
	require.False(t, try(b, "+1"))
	now = now.Add(minRest)
	require.True(t, try(b, "+1"))
	require.True(t, try(b, "+1"))
	require.True(t, try(a, "+2"))
	require.False(t, try(b, "+1"), "its number is being tried out")
	// The carrier rests, and is tried out.
	now = now.Add(time.Second)
	refused(c, now, 0)
	now = now.Add(minRest)
	require.False(t, try(b, "+1"))
	got := 0
	for range 4 {
		if try(a, "+2") {
			got++
		}
	}
	require.Equal(t, maxProbes, got, "probes of the carrier, of which nobody else can use one")
}

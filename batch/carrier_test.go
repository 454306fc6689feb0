package batch

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// silent is a dialer with limits that is never asked to dial.
type silent dialer.Limits

func (silent) Dial(context.Context, dialer.Call, func(dialer.Progress)) (dialer.Outcome, error) {
	return dialer.Outcome{}, dialer.ErrNotPlaced
}

func (s silent) Limits() dialer.Limits { return dialer.Limits(s) }

// counted is a seat that counts how often it was woken.
type counted struct {
	seat

	woken int
}

func newSeat() *counted {
	s := &counted{}
	s.wake = func() { s.woken++ }
	return s
}

func newTestCarrier(l dialer.Limits) *carrier { return newCarrier("test", silent(l)) }

func noon() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }

func take(t *testing.T, c *carrier, s *counted, at time.Time) {
	t.Helper()
	r, ok := c.try(&s.seat, "", at, 1)
	require.True(t, ok, "refused: %s", r.reason)
	c.placed(at)
}

func refuse(t *testing.T, c *carrier, s *counted, at time.Time, reason WaitReason) time.Time {
	t.Helper()
	r, ok := c.try(&s.seat, "", at, 1)
	require.False(t, ok)
	require.Equal(t, reason, r.reason)
	return r.until
}

func refused(c *carrier, now time.Time, after time.Duration) {
	c.learn(fateUnavailable, "", now, now, complaint{after: after, cause: "full"})
}

func took(c *carrier, now time.Time) {
	c.learn(fateTook, "", now, now, complaint{})
	c.heard(now, true)
}

func TestChannelsAreHandedOverInTurn(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{Channels: 2}), noon()
	a, b := newSeat(), newSeat()
	take(t, c, a, now)
	take(t, c, a, now)
	require.Zero(t, refuse(t, c, a, now, WaitChannels))
	require.Zero(t, refuse(t, c, b, now, WaitChannels))
	for turn, first := range []*counted{a, b, a, b} {
		other := []*counted{b, a}[turn%2]
		woken := first.woken
		c.release(1)
		require.Equal(t, woken+1, first.woken)
		refuse(t, c, other, now, WaitChannels)
		take(t, c, first, now)
		refuse(t, c, first, now, WaitChannels)
	}
}

func TestRetireGivesBackWhatWasHandedOver(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{Channels: 1}), noon()
	a, b := newSeat(), newSeat()
	take(t, c, a, now)
	refuse(t, c, a, now, WaitChannels)
	refuse(t, c, b, now, WaitChannels)
	c.release(1)
	require.Equal(t, 1, a.woken)
	c.retire(&a.seat)
	require.Equal(t, 1, b.woken, "it is handed on")
	c.retire(&b.seat)
	take(t, c, newSeat(), now)
}

// Who waits for more than was free may have kept others waiting.
func TestRetireLetsTheNextOnePass(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{Channels: 2}), noon()
	heavy, light := newSeat(), newSeat()
	take(t, c, newSeat(), now)
	_, ok := c.try(&heavy.seat, "", now, 2)
	require.False(t, ok)
	refuse(t, c, light, now, WaitChannels)
	c.retire(&heavy.seat)
	require.Equal(t, 1, light.woken)
	take(t, c, light, now)
}

// A call that needs more channels than there are waits by itself: it keeps nobody else.
func TestACallTooHeavyForTheCarrierKeepsNobodyWaiting(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{Channels: 2}), noon()
	heavy, light := newSeat(), newSeat()
	r, ok := c.try(&heavy.seat, "", now, 3)
	require.False(t, ok)
	require.NotEmpty(t, r.reason)
	take(t, c, light, now)
	take(t, c, light, now)
	refuse(t, c, light, now, WaitChannels)
	c.release(1)
	take(t, c, light, now)
}

func TestPacingGivesTurns(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{CPS: 1}), noon()
	a, b := newSeat(), newSeat()
	take(t, c, a, now)
	second := refuse(t, c, a, now, WaitPacing)
	require.Equal(t, now.Add(time.Second), second)
	third := refuse(t, c, b, now, WaitPacing)
	require.Equal(t, now.Add(2*time.Second), third)
	require.Equal(t, second, refuse(t, c, a, now, WaitPacing), "asking again changes nothing")
	take(t, c, a, second)
	require.Equal(t, now.Add(3*time.Second), refuse(t, c, a, second, WaitPacing), "b comes first")
	take(t, c, b, third)
}

func TestRetireGivesBackTheStart(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{CPS: 1}), noon()
	a, b := newSeat(), newSeat()
	take(t, c, a, now)
	refuse(t, c, a, now, WaitPacing)
	c.retire(&a.seat)
	require.Equal(t, now.Add(time.Second), refuse(t, c, b, now, WaitPacing))
}

// Starts that were set aside long ago are not begun all at once.
func TestPacingHoldsAfterTheChannelsWereFull(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{CPS: 1, Channels: 5}), noon()
	first := newSeat()
	for range 5 {
		take(t, c, first, now)
		now = now.Add(time.Second)
	}
	var seats []*counted
	for range 5 {
		s := newSeat()
		seats = append(seats, s)
		c.try(&s.seat, "", now, 1)
	}
	now = now.Add(10 * time.Second)
	for _, s := range seats { // each one's start is due by now
		refuse(t, c, s, now, WaitChannels)
	}
	for range 5 {
		c.release(1)
	}
	now = now.Add(time.Minute)
	begun := 0
	for _, s := range seats {
		if _, ok := c.try(&s.seat, "", now, 1); ok {
			begun++
		}
	}
	require.LessOrEqual(t, begun, 2, "calls in one instant at one a second")
}

func TestACarrierRestsLongerEachTime(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{}), noon()
	a := newSeat()
	take(t, c, a, now)
	for _, seconds := range []int{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		refused(c, now, 0)
		refused(c, now, 0) // under way together with the first
		until := now.Add(time.Duration(seconds) * time.Second)
		require.Equal(t, until, refuse(t, c, a, now, WaitNoCarrier))
		refuse(t, c, a, until.Add(-1), WaitNoCarrier)
		now = until
		take(t, c, a, now) // the probe
	}
	took(c, now)
	take(t, c, a, now)
	refused(c, now, 0)
	require.Equal(t, now.Add(time.Second), refuse(t, c, a, now, WaitNoCarrier), "it begins anew")
}

func TestACarrierRestsAsLongAsItAsks(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{}), noon()
	a := newSeat()
	take(t, c, a, now)
	refused(c, now, 5*time.Minute)
	require.Equal(t, now.Add(5*time.Minute), refuse(t, c, a, now, WaitNoCarrier))
}

// probe takes as many calls as may try a carrier out after a rest.
func probe(t *testing.T, c *carrier, s *counted, at time.Time) {
	t.Helper()
	for range maxProbes {
		take(t, c, s, at)
	}
}

func TestFewProbesAtATime(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{Channels: 9}), noon()
	a, b := newSeat(), newSeat()
	refused(c, now, 0)
	now = now.Add(time.Second)
	probe(t, c, a, now)
	require.Equal(t, now.Add(probeTime), refuse(t, c, a, now, WaitNoCarrier))
	refuse(t, c, b, now, WaitNoCarrier)
	took(c, now)
	require.Equal(t, 1, a.woken)
	require.Equal(t, 1, b.woken)
	take(t, c, b, now)
	take(t, c, a, now)
}

func TestAProbeWithoutARecipientIsNone(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{Channels: 9}), noon()
	a, b := newSeat(), newSeat()
	refused(c, now, 0)
	now = now.Add(time.Second)
	probe(t, c, a, now)
	refuse(t, c, b, now, WaitNoCarrier)
	c.unused("", now, 1)
	require.Equal(t, 1, b.woken)
	take(t, c, b, now)
}

// A dialer need not report anything before a call's end, which may be hours away.
func TestASilentProbeKeepsNobodyFromFreeChannels(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{Channels: 9}), noon()
	a, b, d := newSeat(), newSeat(), newSeat()
	refused(c, now, 0)
	now = now.Add(time.Second)
	probe(t, c, a, now)
	refuse(t, c, b, now, WaitNoCarrier)
	now = now.Add(probeTime)
	take(t, c, d, now)
	refuse(t, c, d, now, WaitNoCarrier) // the other one is for who found none before
	take(t, c, b, now)
	refuse(t, c, b, now, WaitNoCarrier)
	now = now.Add(probeTime)
	take(t, c, b, now)
}

// A channel that was handed to a seat is not lost when the carrier rests before it is used.
func TestARestLosesNoChannel(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{Channels: 3}), noon()
	a, b := newSeat(), newSeat()
	for range 3 {
		take(t, c, b, now)
	}
	refuse(t, c, a, now, WaitChannels)
	c.release(1) // handed to a
	refused(c, now, 0)
	c.release(2)
	now = now.Add(time.Second)
	probe(t, c, b, now)
	refuse(t, c, a, now, WaitNoCarrier)
	took(c, now)
	c.release(maxProbes)
	take(t, c, a, now)
	take(t, c, b, now)
	take(t, c, b, now)
	refuse(t, c, b, now, WaitChannels)
}

func TestChannelsTakenByForceCount(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{Channels: 1}), noon()
	a := newSeat()
	c.force(1)
	c.force(1)
	refuse(t, c, a, now, WaitChannels)
	c.release(1)
	refuse(t, c, a, now, WaitChannels)
	c.release(1)
	take(t, c, a, now)
	newTestCarrier(dialer.Limits{}).force(1) // no limit: nothing to count
}

// A channel that is kept until a start of the pace is not used while calls that were taken over have it.
func TestChannelsThatAreKeptGoToCallsThatAreTakenOver(t *testing.T) {
	for name, crowd := range map[string]func(c *carrier) (relieve func()){
		"taken over": func(c *carrier) func() {
			c.force(1)
			return func() { c.release(1) }
		},
		"at the dialer before": func(c *carrier) func() {
			c.inherited(1)
			return func() { c.inherited(-1) }
		},
		"the share of others": func(c *carrier) func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.setShare(whole * 2 / 3)
			return func() {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.setShare(whole)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, now := newTestCarrier(dialer.Limits{Channels: 3, CPS: 1}), noon()
			a, b, other := newSeat(), newSeat(), newSeat()
			take(t, c, other, now)
			refuse(t, c, a, now, WaitPacing)
			refuse(t, c, b, now, WaitPacing)
			relieve := crowd(c)
			now = now.Add(10 * time.Second)
			refuse(t, c, a, now, WaitChannels)
			take(t, c, b, now)
			require.Zero(t, a.woken, "no channel is free yet")
			relieve()
			require.Equal(t, 1, a.woken)
			now = now.Add(10 * time.Second)
			take(t, c, a, now)
			require.Zero(t, c.kept)
			require.Empty(t, c.queue)
		})
	}
}

// Those that wait for channels again begin one after the other, though the starts set aside for them have come.
func TestWhoWaitsForChannelsAgainKeepsToThePace(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{Channels: 3, CPS: 1}), noon()
	a, b, other := newSeat(), newSeat(), newSeat()
	take(t, c, other, now)
	refuse(t, c, a, now, WaitPacing)
	refuse(t, c, b, now, WaitPacing)
	c.force(2)
	now = now.Add(time.Minute)
	refuse(t, c, a, now, WaitChannels)
	refuse(t, c, b, now, WaitChannels)
	c.release(2)
	require.Equal(t, 1, b.woken, "who lost its channel last is the first to have one again")
	take(t, c, b, now)
	require.Equal(t, now.Add(time.Second), refuse(t, c, a, now, WaitPacing))
}

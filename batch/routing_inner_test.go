package batch

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// A loop that has looked up a carrier a moment before it was replaced begins nothing there; what it takes over there
// counts at the one that has the name now.
func TestNothingBeginsAtACarrierThatIsGone(t *testing.T) {
	old, heir := newTestCarrier(dialer.Limits{Channels: 3}), newTestCarrier(dialer.Limits{Channels: 3})
	s := newSeat()
	take(t, old, s, noon())
	closed := 0
	old.replace(heir, noon(), func() { closed++ })
	refuse(t, old, s, noon(), WaitNoCarrier)
	require.Equal(t, 1, heir.state(noon()).InUse)
	old.force(1)
	require.Equal(t, 2, heir.state(noon()).InUse)
	take(t, heir, newSeat(), noon())
	refuse(t, heir, newSeat(), noon(), WaitChannels)
	old.release(1)
	require.Zero(t, closed)
	old.release(1)
	require.Equal(t, 1, closed)
	require.Equal(t, 1, heir.state(noon()).InUse)
}

func TestACarrierThatComesAndGoesCountsItsCalls(t *testing.T) {
	limits := silent{Channels: 4}
	cs := newCarriers(map[string]dialer.Dialer{"one": &limits})
	none := map[string]dialer.Dialer{}
	for i := range 3 {
		take(t, cs.get("one"), newSeat(), noon())
		cs.swap(none, noon())
		require.Nil(t, cs.get("one"))
		cs.swap(map[string]dialer.Dialer{"one": &silent{Channels: 4}}, noon())
		require.Equal(t, i+1, cs.get("one").state(noon()).InUse)
	}
	take(t, cs.get("one"), newSeat(), noon())
	refuse(t, cs.get("one"), newSeat(), noon(), WaitChannels)
	require.Empty(t, cs.retiring)
}

// A carrier that was away for a while has no share: another node may have it by now.
func TestAReturningCarrierHasNoShareYet(t *testing.T) {
	d := &silent{Channels: 4}
	cs := newCarriers(map[string]dialer.Dialer{"one": d})
	cs.shared = true
	take(t, cs.get("one"), newSeat(), noon())
	before := cs.get("one")
	cs.swap(nil, noon())
	cs.swap(map[string]dialer.Dialer{"one": d}, noon())
	require.Same(t, before, cs.get("one"))
	refuse(t, before, newSeat(), noon(), WaitChannels)
	before.setShare(whole)
	take(t, before, newSeat(), noon())
}

// Where the organisation's limit is in use, seats are kept only where an attempt that has its part of that may go.
func TestAFullOrganisationKeepsOnlyTheSeatsOfItsStrandedAttempts(t *testing.T) {
	all := map[string]*carrier{}
	for _, name := range []string{"first", "second", "third"} {
		all[name] = newTestCarrier(dialer.Limits{Channels: 1})
		all[name].name = name
	}
	s := &scheduler{carrier: func(name string) *carrier { return all[name] }, wake: func() {}}
	s.init()
	r := newRoute("r", Number{Carriers: []string{"first", "second", "third"}}, "agent", newBalancer(Number{}), noon())
	s.open(r)
	j := &job{route: r}
	r.line.put(j)
	for _, c := range all {
		s.seat(c, 1)
	}
	s.retireSeats()
	require.Len(t, s.seats, 3, "there is a batch for each")
	a := &attempt{job: j, stranded: true, tries: nil}
	a.tries = append(a.tries, tryOf("first"), tryOf("third"))
	s.stranded, s.full = []*attempt{a}, true
	s.retireSeats()
	require.Len(t, s.seats, 1)
	require.Equal(t, stand{all["second"], 1}, s.seats[0].stand)
}

// Who needs more channels for a call than others of the organisation gets them in turn.
func TestHeavyCallsAreNotOvertaken(t *testing.T) {
	c := newTestCarrier(dialer.Limits{Channels: 2})
	s := &scheduler{wake: func() {}}
	s.init()
	try := func(units int) bool {
		_, ok := c.try(s.seat(c, units), "", noon(), units)
		return ok
	}
	require.True(t, try(1))
	require.False(t, try(2))
	require.False(t, try(1), "the other one stands before it")
	for range 5 { // whoever has a light call, again and again
		require.False(t, try(1))
		require.False(t, try(2))
	}
	c.release(1)
	require.False(t, try(1), "the channels are held for the heavy one")
	require.True(t, try(2))
}

func TestBalancersAreKeptWithinReason(t *testing.T) {
	bs := &balancers{all: map[string]*balancer{}}
	n := func(i int) Number {
		return Number{E164: dialer.Phone(strconv.Itoa(i)), Carriers: []string{"a", "b"}, Weights: []int{1, 1}}
	}
	used := bs.use(n(-1))
	for i := range 3 * keptBalancers {
		bs.leave(bs.use(n(i)))
	}
	require.LessOrEqual(t, len(bs.all), keptBalancers)
	require.Same(t, used, bs.use(n(-1)))
	one, other := bs.use(Number{Carriers: []string{"a"}}), bs.use(Number{Carriers: []string{"a"}})
	require.NotSame(t, one, other, "by preference")
}

// A call for which there was no recipient was not given.
func TestUnusedCallsWeighNothing(t *testing.T) {
	b := newBalancer(Number{Carriers: []string{"a", "b"}, Weights: []int{1, 1}})
	for range 10 {
		order := b.inOrder(nil)
		require.Equal(t, 0, order[0])
		b.gave(order, 0)
		b.unused(0)
	}
	b.unused(-1)
}

func TestNoticesAreSeen(t *testing.T) {
	c := newTestCarrier(dialer.Limits{})
	c.learn(fateUnavailable, "", noon(), noon(), complaint{cause: "401 for +1202555", notice: "the account is refused"})
	require.Equal(t, "it rests, because it takes no calls at present: the account is refused", c.condition("", 1, noon()))
	require.Contains(t, c.condition("", 1, noon().Add(2*time.Second)), "the account is refused")
	c.learn(fateTook, "", noon(), noon().Add(time.Minute), complaint{})
	require.Contains(t, c.condition("", 1, noon().Add(2*time.Second)), "refused", "it was begun before that")
	took(c, noon().Add(2*time.Second))
	require.NotContains(t, c.condition("", 1, noon().Add(2*time.Second)), "refused")
	later := noon().Add(time.Hour)
	c.learn(fateCaller, "+1", later, later, complaint{notice: "not verified"})
	require.Contains(t, c.condition("+1", 1, later), ": not verified")
}

func tryOf(carrier string) store.Try { return store.Try{Carrier: carrier} }

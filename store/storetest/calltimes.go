package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/store"
)

// overAndFlying are three calls, each dispatched when its id was made, of which the first is over. Newest first.
func (f *fixture) overAndFlying() []store.Call {
	f.Helper()
	node, b := f.node(), f.batch(3)
	first, second, third := f.claim(node, b, 1)[0], f.claim(node, b, 1)[0], f.claim(node, b, 1)[0]
	f.happen(node, f.busy(first))
	return []store.Call{third, second, f.call(first)}
}

// byTime asks for calls of a time, of everybody and of an agent, which are other walks in a database.
func (f *fixture) byTime(what string, from, to time.Time, want []store.Call) {
	f.Helper()
	q := store.CallQuery{DispatchedFrom: from, DispatchedTo: to}
	f.equal(what, f.calls(q), want)
	q.AgentID = "agent_1"
	f.equal(what+", of an agent", f.calls(q), want)
}

func callsOfATimeAreExact(f *fixture) {
	all := f.overAndFlying()
	for i, c := range all {
		at, none := c.DispatchedAt, []store.Call(nil)
		f.byTime("calls from the time of one", at, time.Time{}, all[:i+1])
		f.byTime("calls from a nanosecond later", at.Add(1), time.Time{}, append(none, all[:i]...))
		f.byTime("calls to the time of one", time.Time{}, at, all[i:])
		f.byTime("calls to a nanosecond before", time.Time{}, at.Add(-1), append(none, all[i+1:]...))
		f.byTime("calls of the very time", at, at, all[i:i+1])
		f.byTime("calls of no time", at.Add(1), at.Add(-1), nil)
	}
}

// callTimesNeedNotFollowIDs: a host may make ids that say nothing of the time, or long before.
func callTimesNeedNotFollowIDs(f *fixture) {
	node, b, start := f.node(), f.batch(8), f.tick()
	minute := func(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }
	all := make([]store.Call, 8)
	for i, at := range []int{3, 0, 8, 1, 7, 2, 2, 9} {
		claim := f.claimOf(b, 1)
		if i%3 == 0 {
			claim.CallIDs[0] = "call_" + string(rune('z'-i))
		}
		c := callsOf(f.advance(store.Step{Owner: node, Now: minute(at), Claims: []store.Claim{claim}}))[0]
		if i%2 == 0 {
			f.happen(node, f.busy(c))
		}
		all[i] = f.call(c)
	}
	slices.SortFunc(all, func(a, b store.Call) int { return strings.Compare(b.ID, a.ID) })
	for low := range 10 {
		for high := low; high < 10; high++ {
			var want []store.Call
			for _, c := range all {
				if !c.DispatchedAt.Before(minute(low)) && !c.DispatchedAt.After(minute(high)) {
					want = append(want, c)
				}
			}
			f.byTime("calls of a time", minute(low), minute(high), want)
		}
	}
}

// callsOfAnyTimeAreFound: bounds may be of a time that no id can tell, and so may calls.
func callsOfAnyTimeAreFound(f *fixture) {
	all := f.overAndFlying()
	// Ids have 48 bits for the milliseconds: those of 10900 would be those of 1981.
	year := func(n int) time.Time { return time.Date(n, 1, 2, 3, 4, 5, 0, time.UTC) }
	for _, from := range []int{1, 1900, 1969} {
		f.byTime("calls from long ago", year(from), time.Time{}, all)
		f.byTime("calls to long ago", time.Time{}, year(from), nil)
		for _, to := range []int{9999, 10900, 12000} {
			f.byTime("calls from long ago on", year(from), year(to), all)
		}
	}
	for _, to := range []int{9999, 10900, 12000} {
		f.byTime("calls to a distant day", time.Time{}, year(to), all)
		f.byTime("calls from a distant day", year(to), time.Time{}, nil)
	}
	node, b := f.node0(), f.batch(2)
	odd := make([]store.Call, 0, 2)
	for _, at := range []int{1950, 9990} {
		c := callsOf(f.advance(store.Step{Owner: node, Now: year(at), Claims: []store.Claim{f.claimOf(b, 1)}}))[0]
		f.happen(node, f.busy(c))
		odd = append(odd, f.call(c))
	}
	f.byTime("calls of an odd time", year(1940), year(1960), odd[:1])
	f.byTime("calls to an odd time", time.Time{}, year(1960), odd[:1])
	f.byTime("calls from an odd time", year(9980), time.Time{}, odd[1:])
}

package storetest

import (
	"math/rand/v2"
	"slices"

	"github.com/outdial/outdial/store"
)

// fleet is nodes with random carriers that come, go and adopt from each other.
type fleet struct {
	*fixture

	rand  *rand.Rand
	batch store.Batch
	live  map[string][]string // the carriers of each node
	order []string            // its keys, so that the seed is all that decides
}

func randomAdoptionsMatchTheRule(f *fixture) {
	l := &fleet{fixture: f, rand: rand.New(rand.NewPCG(3, 7)), live: map[string][]string{}}
	l.batch = f.batch(400)
	l.come()
	for range 150 {
		switch n := l.rand.IntN(10); {
		case n < 2 || len(l.order) < 2:
			l.come()
		case n < 4 && len(l.order) > 2:
			l.depart()
		case n < 7:
			f.claimOver(pick(l.rand, l.order), l.batch, l.carrier())
		default:
			l.compareAdopt(pick(l.rand, l.order))
		}
	}
}

func (l *fleet) carrier() string { return pick(l.rand, []string{"a", "b", "c", "d"}) }

func (l *fleet) come() {
	l.Helper()
	var carriers []string
	for range l.rand.IntN(3) {
		carriers = append(carriers, l.carrier())
	}
	id := l.nodeWith(carriers...)
	l.live[id] = carriers
	l.order = append(l.order, id)
}

func (l *fleet) depart() {
	l.Helper()
	at := l.rand.IntN(len(l.order))
	l.leave(l.order[at])
	delete(l.live, l.order[at])
	l.order = slices.Delete(l.order, at, at+1)
}

func (l *fleet) compareAdopt(node string) {
	l.Helper()
	limit := 1 + l.rand.IntN(4)
	var want []store.Call
	for _, c := range slices.Backward(l.calls(store.CallQuery{InFlight: true})) { // oldest first
		if _, lives := l.live[c.Owner]; !lives && len(want) < limit && !l.leaves(node, c.Carrier) {
			want = append(want, c)
		}
	}
	l.takes(node, limit, want...)
}

// leaves is the rule of Adopt.
func (l *fleet) leaves(node, carrier string) bool {
	if slices.Contains(l.live[node], carrier) {
		return false
	}
	for _, carriers := range l.live {
		if slices.Contains(carriers, carrier) {
			return true
		}
	}
	return false
}

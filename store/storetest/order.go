package storetest

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/outdial/outdial/store"
)

func orderRules() []rule {
	return []rule{
		{"FewestAttemptsComeFirst", fewestAttemptsComeFirst},
		{"RecipientsPutBackTakeTurns", recipientsPutBackTakeTurns},
		{"RetriedRecipientsTakeTurns", retriedRecipientsTakeTurns},
		{"RecipientPutBackByTheStepTakesItsTurn", recipientPutBackByTheStepTakesItsTurn},
		{"ClaimsOfOneStepTakeTurns", claimsOfOneStepTakeTurns},
		{"ReplayKeepsTheOrder", replayKeepsTheOrder},
		{"ManyPutBackKeepTheirOrder", manyPutBackKeepTheirOrder},
	}
}

// comes claims n recipients and compares which came, in their order.
func (f *fixture) comes(node string, b store.Batch, n int, want ...int) []store.Call {
	f.Helper()
	calls := f.claim(node, b, n)
	f.equal("claimed", indexes(calls), want)
	f.equal("call ids ascend", slices.IsSorted(callIDs(calls)), true)
	return calls
}

// putBack has all these calls be refused, the last first.
func (f *fixture) putBack(node string, calls ...store.Call) {
	f.Helper()
	var events []store.Event
	for _, c := range slices.Backward(calls) {
		events = append(events, f.requeued(c))
	}
	f.happen(node, events...)
}

func fewestAttemptsComeFirst(f *fixture) {
	node, b := f.node(), f.batch(8)
	calls := f.claim(node, b, 6)
	f.happen(node, f.requeued(calls[4]), f.busy(calls[1]), f.completed(calls[0]), f.requeued(calls[2]))
	six := f.comes(node, b, 1, 6)
	f.do(b, store.ActionRetry)
	again := f.comes(node, b, 3, 7, 1, 2)
	f.equal("attempt of the new one", again[0].Attempt, 1)
	f.equal("attempt of the one tried before", again[1].Attempt, 2)
	f.equal("attempt of the one put back", again[2].Attempt, 2)
	f.putBack(node, again[1], again[2], calls[5], six[0])
	f.comes(node, b, 4, 4, 5, 6, 1)
	f.comes(node, b, 4, 2)
}

// Those whom a carrier refuses again and again would else hold up all behind them.
func recipientsPutBackTakeTurns(f *fixture) {
	node, b := f.node(), f.batch(7)
	f.putBack(node, f.comes(node, b, 5, 0, 1, 2, 3, 4)...)
	f.putBack(node, f.comes(node, b, 3, 5, 6, 0)...)
	f.putBack(node, f.comes(node, b, 2, 1, 2)...)
	f.putBack(node, f.comes(node, b, 2, 3, 4)...)
	f.putBack(node, f.comes(node, b, 3, 5, 6, 0)...)
	calls := f.comes(node, b, 6, 1, 2, 3, 4, 5, 6)
	f.putBack(node, calls[2])
	f.putBack(node, f.comes(node, b, 2, 0, 3)...)
	f.putBack(node, calls[0], calls[5])
	f.comes(node, b, 9, 1, 6, 0, 3)
}

func retriedRecipientsTakeTurns(f *fixture) {
	node, b := f.node(), f.batch(5)
	f.happen(node, f.busy(f.comes(node, b, 1, 0)[0]))
	f.do(b, store.ActionRetry)
	f.happen(node, f.busy(f.comes(node, b, 1, 1)[0]))
	f.do(b, store.ActionRetry)
	calls := f.comes(node, b, 4, 2, 3, 4, 0)
	f.happen(node, f.requeued(calls[3]), f.unplaced(calls[1]), f.busy(calls[2]), f.completed(calls[0]))
	f.do(b, store.ActionRetry)
	calls = f.comes(node, b, 3, 1, 3, 4)
	f.putBack(node, calls[2])
	f.happen(node, f.busy(calls[0]))
	f.do(b, store.ActionRetry)
	f.putBack(node, f.comes(node, b, 1, 0)...)
	f.comes(node, b, 4, 1, 4, 0)
}

func recipientPutBackByTheStepTakesItsTurn(f *fixture) {
	node, b := f.node(), f.batch(3)
	calls := f.comes(node, b, 2, 0, 1)
	next := func(n int, back ...store.Call) []store.Call {
		f.Helper()
		step := store.Step{Owner: node, Claims: []store.Claim{f.claimOf(b, n)}}
		for _, c := range back {
			step.Events = append(step.Events, f.requeued(c))
		}
		return callsOf(f.advance(step))
	}
	zero := calls[0]
	calls = next(2, calls[1])
	f.equal("claimed, one put back", indexes(calls), []int{2, 1})
	again := next(1, calls...)
	f.equal("claimed, two put back", indexes(again), []int{2})
	f.equal("claimed, one more put back", indexes(next(2, zero)), []int{0, 1})
}

func claimsOfOneStepTakeTurns(f *fixture) {
	node, b := f.node(), f.batch(4)
	f.putBack(node, f.comes(node, b, 2, 0, 1)...)
	got := callsOf(f.advance(store.Step{
		Owner: node, Claims: []store.Claim{f.claimOf(b, 1), f.claimOf(b, 2), f.claimOf(b, 2)},
	}))
	f.equal("claimed", indexes(got), []int{2, 3, 0, 1})
}

func replayKeepsTheOrder(f *fixture) {
	node, b := f.node(), f.batch(3)
	f.putBack(node, f.comes(node, b, 2, 0, 1)...)
	step := f.step(store.Step{Owner: node, Claims: []store.Claim{f.claimOf(b, 2)}})
	first := f.advance(step)
	f.equal("claimed", indexes(callsOf(first)), []int{2, 0})
	step.Replay = true
	f.equal("claimed again", f.advance(step).Claimed, first.Claimed)
}

// So many that they do not fit into one page, word or node of whatever they are kept in.
func manyPutBackKeepTheirOrder(f *fixture) {
	const size, rounds = 150, 60
	node, b := f.node(), f.batch(size)
	random := rand.New(rand.NewPCG(1, 7))
	attempts, queued, flying := make([]int, size), []int{}, []store.Call(nil)
	for i := range size {
		queued = append(queued, i)
	}
	for range rounds {
		slices.SortFunc(queued, func(a, b int) int {
			return cmp.Or(cmp.Compare(attempts[a], attempts[b]), cmp.Compare(a, b))
		})
		n := min(1+random.IntN(90), len(queued))
		if n > 0 {
			flying = append(flying, f.comes(node, b, n, queued[:n]...)...)
		}
		for _, i := range queued[:n] {
			attempts[i]++
		}
		queued = queued[n:]
		random.Shuffle(len(flying), func(i, j int) { flying[i], flying[j] = flying[j], flying[i] })
		over := flying[:random.IntN(len(flying)+1)]
		flying = flying[len(over):]
		f.putBackOrRetry(node, b, random, over)
		for _, c := range over {
			queued = append(queued, c.Index)
		}
	}
}

// putBackOrRetry queues all these again, in either way.
func (f *fixture) putBackOrRetry(node string, b store.Batch, random *rand.Rand, calls []store.Call) {
	f.Helper()
	var events []store.Event
	for _, c := range calls {
		e := f.requeued(c)
		if random.IntN(8) == 0 {
			e = f.busy(c)
		}
		events = append(events, e)
	}
	f.happen(node, events...)
	if f.again(b).Counts.Failed > 0 {
		f.do(b, store.ActionRetry)
	}
}

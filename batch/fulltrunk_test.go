package batch_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
)

// fullTrunk is a carrier with so many lines that it does not tell of, which takes a while to answer, and a batch
// that has more people called at once than that.
func fullTrunk(t *testing.T, lines, people, target int, talk time.Duration) (*world, *gatekeeper, batch.Request) {
	t.Helper()
	g := &gatekeeper{refuse: func(dialer.Call) error {
		pass(20 * time.Millisecond)
		return nil
	}}
	w := newWorld(t, dialer.Limits{}, func(c *batch.Config) {
		g.Dialer = &crowded{Dialer: c.Dialers["fake"], lines: lines}
		c.Dialers = map[string]dialer.Dialer{"fake": g}
	})
	w.dir.limit(org, target)
	w.script(0, people, fake.Behaviour{Talk: talk})
	r := request(people)
	r.Target = target
	return w, g, r
}

// It refuses whoever comes, and takes somebody all the time. That it refuses one person again and again does not mean
// that person, who is called in the end; and it rests, and is asked for few at first after that, so that it is not asked
// much more often than it can answer: that is once for each who is to be called, and then so many times for each call
// that it takes.
func TestAFullTrunkLosesNobody(t *testing.T) {
	for _, test := range []struct{ lines, target, times int }{
		{1, 300, 16}, {5, 100, 15}, {5, 300, 15}, {20, 300, 12},
	} {
		t.Run(fmt.Sprintf("%d lines, %d at once", test.lines, test.target), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				const people = 400
				w, g, r := fullTrunk(t, test.lines, people, test.target, 30*time.Second)
				w.run()
				b := w.awaitOver(w.create(r).ID, 12*time.Hour)
				require.Equal(t, people, b.Counts.Completed)
				require.Less(t, len(g.calls()), test.target+people*test.times)
				w.judge()
			})
		})
	}
}

// One call that was taken, of many that were begun at once, says nothing for those that were refused.
func TestACarrierThatTakesOneOfManyIsLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const people = 300
		w, g, r := fullTrunk(t, 1, people, people, 20*time.Minute)
		w.run()
		w.create(r)
		pass(5 * time.Minute)
		require.Less(t, len(g.calls()), people+30, "each once, then a few after each rest")
	})
}

// A carrier goes down that has taken many calls, when all who are left were refused before: they are not all asked for
// once more.
func TestWhatACarrierTookExcusesFewRefusals(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const people, few = 300, 20
		w, g, r := fullTrunk(t, people, people, people, time.Second)
		up := g.refuse
		g.refusing(errDown)
		w.run()
		b := w.create(r)
		pass(100 * time.Millisecond)
		require.GreaterOrEqual(t, len(g.calls()), people)
		_, err := w.engine.SetTarget(t.Context(), org, b.ID, few)
		require.NoError(t, err)
		g.mu.Lock()
		g.refuse = up
		g.mu.Unlock()
		w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.Completed >= people/3 })
		g.refusing(errDown)
		before := len(g.calls())
		pass(10 * time.Minute)
		require.Less(t, len(g.calls())-before, 3*few+2*15, "then two after each rest of up to a minute")
	})
}

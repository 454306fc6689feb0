package fake_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

const drawn = 4000

func numberOf(i int) dialer.Phone { return dialer.Phone(fmt.Sprintf("+1415%07d", i)) }

// endsOf dials in the given order and returns the ends by number.
func endsOf(t *testing.T, config fake.Config, order []int) map[int]string {
	t.Helper()
	c := newCarrier(t, config)
	ends := map[int]string{}
	for _, i := range order {
		call := callTo(numberOf(i))
		call.Attempt = 1 + i%3
		r := dial(t.Context(), c.Dialer(), call)
		ends[i] = fmt.Sprint(r.outcome.Reason, r.err, r.took)
	}
	return ends
}

func TestOutcomesDependOnSeedNumberAndAttemptOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		config := fake.Config{
			Seed: 7, Ring: 3 * time.Second, Talk: 45 * time.Second,
			Shares: fake.Shares{Answer: 0.5, Busy: 0.1, Failed: 0.1, Refused: 0.1},
		}
		inOrder := make([]int, drawn/10)
		for i := range inOrder {
			inOrder[i] = i
		}
		first := endsOf(t, config, inOrder)
		shuffled := rand.New(rand.NewPCG(1, 2)).Perm(len(inOrder))
		require.Equal(t, first, endsOf(t, config, shuffled))

		config.Seed = 8
		require.NotEqual(t, first, endsOf(t, config, inOrder))
	})
}

func TestAttemptsOfANumberDiffer(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{})
	seen := map[dialer.EndReason]bool{}
	for attempt := range 50 {
		call := callTo(ada)
		call.Attempt = attempt + 1
		seen[dial(t.Context(), c.Dialer(), call).outcome.Reason] = true
	}
	require.Greater(t, len(seen), 2)
}

func TestSharesAreKept(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{
		Seed:   42,
		Shares: fake.Shares{Answer: 0.5, Busy: 0.15, Failed: 0.1, Refused: 0.05, NoAnswer: 0.1}, // 0.1 is left
	})
	got := map[dialer.EndReason]int{}
	for i := range drawn {
		got[dial(t.Context(), c.Dialer(), callTo(numberOf(i))).outcome.Reason]++
	}
	for reason, share := range map[dialer.EndReason]float64{
		dialer.AgentHangup:  0.25,
		dialer.ClientHangup: 0.25,
		dialer.DialBusy:     0.15,
		dialer.DialFailed:   0.1,
		dialer.DialNoAnswer: 0.2,
		"":                  0.05, // refused
	} {
		require.InDelta(t, share, float64(got[reason])/drawn, 0.03, "share of %q", reason)
	}
}

func TestTimesAreSpreadAroundTheMean(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier(t, fake.Config{Shares: fake.Shares{Answer: 1}, Ring: 4 * time.Second, Talk: time.Minute})
		var ring, talk time.Duration
		const calls = 400
		for i := range calls {
			o := dial(t.Context(), c.Dialer(), callTo(numberOf(i))).outcome
			rang, talked := o.ConnectedAt.Sub(o.RangAt), o.EndedAt.Sub(o.ConnectedAt)
			require.GreaterOrEqual(t, rang, 2*time.Second)
			require.LessOrEqual(t, rang, 6*time.Second)
			require.GreaterOrEqual(t, talked, 30*time.Second)
			require.LessOrEqual(t, talked, 90*time.Second)
			ring, talk = ring+rang, talk+talked
		}
		require.InDelta(t, 4, (ring / calls).Seconds(), 0.3)
		require.InDelta(t, 60, (talk / calls).Seconds(), 5)
	})
}

func TestUnansweredCallRingsAsLongAsItMay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nobody := fake.Shares{NoAnswer: 1}
		c := newCarrier(t, fake.Config{Shares: nobody, Ring: time.Second})
		require.Equal(t, 30*time.Second, dial(t.Context(), c.Dialer(), callTo(ada)).took)
		c = newCarrier(t, fake.Config{Shares: nobody})
		require.Zero(t, dial(t.Context(), c.Dialer(), callTo(ada)).took, "no time passes on this carrier")
	})
}

package fake_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

// A call on which no time passes, as a benchmark of an engine makes them by the
// hundred thousand.
func BenchmarkDial(b *testing.B) {
	for name, dialerOf := range map[string]func(*fake.Carrier) dialer.Dialer{
		"Resumer":       (*fake.Carrier).Dialer,
		"WithoutResume": (*fake.Carrier).WithoutResume,
	} {
		b.Run(name, func(b *testing.B) {
			c, err := fake.New(fake.Config{Shares: fake.Shares{Answer: 1}})
			require.NoError(b, err)
			d := dialerOf(c)
			calls := manyCalls()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := d.Dial(b.Context(), calls[i%len(calls)], ignore); err != nil {
					b.Fatal(err)
				}
			}
			require.NoError(b, c.Close())
		})
	}
}

func manyCalls() []dialer.Call {
	calls := make([]dialer.Call, 1<<15)
	for i := range calls {
		calls[i] = callTo(numberOf(i))
		calls[i].ID = "call_" + strconv.Itoa(i)
	}
	return calls
}

// An instant call starts no goroutine and no timer, and allocates what its caller keeps.
//
//nolint:paralleltest // it counts the allocations of the whole process
func TestInstantCallIsCheap(t *testing.T) {
	c := newCarrier(t, fake.Config{Shares: fake.Shares{Answer: 1}})
	d, call, ctx := c.WithoutResume(), callTo(ada), t.Context()
	const most = 2 // the call at the carrier, and its reference
	got := testing.AllocsPerRun(1000, func() { _, _ = d.Dial(ctx, call, ignore) })
	require.LessOrEqual(t, got, float64(most))
}

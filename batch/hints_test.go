package batch_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// hinting is a store that hints at what the test says.
type hinting struct {
	store.Store

	hints chan string
}

func (h *hinting) Hints(ctx context.Context) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case hint := <-h.hints:
				out <- hint
			}
		}
	}()
	return out
}

// What another process created is dialled at once where the store hints at it, and else when it is polled.
func TestHintsComeBeforePolling(t *testing.T) {
	for name, hint := range map[string]string{"at the organisation": org, "at anything": ""} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := &hinting{hints: make(chan string)}
				w := newWorld(t, dialer.Limits{}, func(c *batch.Config) {
					h.Store = c.Store
					c.Store, c.PollInterval = h, time.Hour
				})
				other := w.newEngine() // it does not run
				w.run()
				pass(time.Second)
				b, err := other.Create(t.Context(), org, request(3))
				require.NoError(t, err)
				pass(time.Minute)
				require.Equal(t, 3, w.batch(b.ID).Counts.Queued)
				h.hints <- hint
				pass(time.Second)
				require.Equal(t, 3, w.batch(b.ID).Counts.Completed)
			})
		})
	}
}

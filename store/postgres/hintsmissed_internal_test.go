package postgres

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// A reader that was slow is told that it missed hints as soon as there is room, not when there is the next one.
func TestASlowReaderIsToldThatItMissedHints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var telling sync.WaitGroup
		l := newListener(nil, make(chan string, 2))
		telling.Go(func() { l.tell(ctx) })
		for _, org := range []string{"org_1", "org_2", "org_3", "org_4"} {
			l.hint(org)
		}
		synctest.Wait() // it waits for room
		l.hint("org_5")
		for _, want := range []string{"org_1", "org_2", "", ""} { // the second for the one that came while the first waited
			require.Equal(t, want, <-l.out)
		}
		synctest.Wait()
		require.Empty(t, l.out)
		l.hint("org_6")
		require.Equal(t, "org_6", <-l.out)
		l.hint("org_1")
		l.hint("org_2")
		l.hint("org_3")
		synctest.Wait()
		cancel() // also while it waits
		telling.Wait()
	})
}

package batch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What was watched once must cost nothing afterwards, or a server would grow with every batch.
func TestTheFeedKeepsNothingOfWhoHasLeft(t *testing.T) {
	f := newFeed()
	one, other := watched{"acme", "a"}, watched{"acme", ""}
	rung, leave := f.wait(one)
	again, leaveAgain := f.wait(one)
	require.Equal(t, rung, again, "all who wait for the same share it")
	_, leaveOther := f.wait(other)
	leave()
	require.Len(t, f.news, 2, "somebody waits yet")
	leaveAgain()
	leaveOther()
	require.Empty(t, f.news)

	rung, leave = f.wait(one)
	f.changed("acme", "a")
	<-rung
	require.Empty(t, f.news)
	next, leaveNext := f.wait(one)
	require.NotEqual(t, rung, next)
	leave() // late: it must not take what another one waits for with it
	require.Len(t, f.news, 1)
	leaveNext()
	require.Empty(t, f.news)
}

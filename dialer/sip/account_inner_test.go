package sip

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheRestOfAnAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &account{rest: time.Minute}
		mine, wait, err := a.enter()
		require.NoError(t, err)
		require.Nil(t, wait)
		_, wait, err = a.enter()
		require.NoError(t, err)
		a.leave(mine) // it found nothing out
		<-wait
		_, _, err = a.enter()
		require.NoError(t, err)
		require.Equal(t, time.Minute, a.refuse())
		_, _, err = a.enter()
		require.ErrorIs(t, err, errCredentials)
		require.True(t, sleep(t.Context(), time.Minute))
		mine, wait, err = a.enter()
		require.NoError(t, err)
		require.NotNil(t, mine)
		require.Nil(t, wait)

		require.True(t, sleep(t.Context(), trialPatience)) // a trial that finds nothing out is waited for no longer
		other, _, err := a.enter()
		require.NoError(t, err)
		require.NotNil(t, other)
		a.leave(mine)
		_, wait, err = a.enter()
		require.NoError(t, err)
		require.NotNil(t, wait, "the other one is under way")
		a.take(a.count())
		<-wait
		mine, wait, err = a.enter()
		require.NoError(t, err)
		require.True(t, mine == nil && wait == nil)

		old := a.count()
		require.Zero(t, a.refuse(), "it was taken before")
		require.Equal(t, time.Minute, a.refuse())
		a.take(old) // what an older call hears
		_, err = a.resting()
		require.ErrorIs(t, err, errCredentials)

		a = &account{rest: -1}
		a.refuse()
		require.True(t, sleep(t.Context(), 1000*time.Hour))
		_, err = a.resting()
		require.ErrorIs(t, err, errCredentials)
	})
}

// What came by a connection is answered through a flow of ours, also just after it was lost: sipgo counts the users of
// its own connections wrongly then, and would open one to wherever a message says.
func TestWhatComesByAConnectionIsAnsweredThroughAFlow(t *testing.T) {
	t.Parallel()
	d, _, _ := within(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	f, err := d.flows.to(t.Context(), hop{transport: TCP, remote: listener.Addr().(*net.TCPAddr).AddrPort()})
	require.NoError(t, err)
	pool := d.stack.agent.TransportLayer().Pool("tcp")
	answers := func() bool {
		mine, ok := pool.Get(f.stream.RemoteAddr().String()).(*flow)
		return ok && mine != f
	}
	require.Eventually(t, answers, 30*time.Second, time.Millisecond)
	require.NoError(t, f.stream.cut())
	<-f.stream.read
	require.True(t, answers())
	f.stream.abandon()
	require.Nil(t, pool.Get(f.stream.RemoteAddr().String()))
}

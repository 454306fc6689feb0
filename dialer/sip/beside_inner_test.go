package sip

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	msg "github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

// What is overheard is passed on by sipgo, too: one answer has one ACK, and another one when it comes again.
func TestAnACKIsDueOncePerAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &acks{}
		_, known := a.again("x")
		require.False(t, known)
		a.set("x", nil)
		due, known := a.again("x")
		require.True(t, known)
		require.Nil(t, due, "it is on its way")
		ack := &acked{raw: []byte("ACK")}
		a.set("x", ack)
		due, known = a.again("x")
		require.True(t, known)
		require.Nil(t, due)
		require.True(t, sleep(t.Context(), msg.T1))
		due, _ = a.again("x")
		require.Same(t, ack, due)
		due, _ = a.again("x")
		require.Nil(t, due)
	})
}

// However requests renew each other's nonce, none of them is tried more than three times, nor says that the password
// is wrong unless the newest nonce was brought.
func TestRequestsBesideEachOtherAreTriedSoOften(t *testing.T) {
	t.Parallel()
	c := &credentials{user: "acme", secret: "x"}
	n := 0
	refusal := func() *msg.Response {
		n++
		res := msg.NewResponse(msg.StatusUnauthorized, "No")
		res.AppendHeader(msg.NewHeader("WWW-Authenticate", fmt.Sprintf(`Digest realm="r", nonce="%d"`, n)))
		return res
	}
	again, _ := c.judge(refusal()) // of the INVITE, which is let in then
	require.True(t, again)
	c.taken()
	send := func(own *brought) {
		require.NoError(t, c.applyOf(own, msg.NewRequest(msg.BYE, msg.Uri{Scheme: "sip", Host: "carrier.test"})))
	}
	one, other := newBrought(), newBrought()
	send(one)
	send(other)
	for range mostTries {
		for _, own := range []*brought{one, other} {
			again, wrong := c.judgeOf(own, refusal())
			require.True(t, again)
			require.False(t, wrong)
		}
		send(one)
		again, _ := c.judgeOf(newBrought(), refusal()) // a third one
		require.True(t, again)
		send(other)
		again, _ = c.judgeOf(newBrought(), refusal())
		require.True(t, again)
	}
	again, wrong := c.judgeOf(one, refusal())
	require.False(t, again, "three nonces are enough")
	require.False(t, wrong, "each was replaced while it was under way")

	alone := newBrought()
	send(alone)
	again, _ = c.judgeOf(alone, refusal())
	require.True(t, again)
	send(alone)
	again, wrong = c.judgeOf(alone, refusal())
	require.False(t, again)
	require.True(t, wrong)
}

// A server that is asked often may take its time all the same.
func TestAShortKeepAliveIsPatient(t *testing.T) {
	t.Parallel()
	for every, patience := range map[time.Duration]time.Duration{
		time.Millisecond: 8 * msg.T1, 10 * msg.T1: 10 * msg.T1, time.Hour: transactionTime(),
	} {
		require.Equal(t, patience, (&trunk{Trunk: Trunk{KeepAlive: every}}).keepAlivePatience())
	}
}

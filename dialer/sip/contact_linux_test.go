package sip_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// Neither the audio nor the ACK waits for a Contact that cannot be reached.
func TestTheMediaDoesNotWaitForTheContact(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := free.Addr().(*net.TCPAddr).Port
	require.NoError(t, free.Close())
	blackhole(t, port)
	ran, times := make(chan time.Time, 1), make(chan time.Time, 2)
	s := &studio{run: func(ctx context.Context) error {
		ran <- time.Now()
		<-ctx.Done()
		return nil
	}}
	p := newPeer(t, "udp", func(l *leg) {
		times <- time.Now()
		l.accept(fmt.Sprintf("Contact: <sip:x@127.0.0.1:%d;transport=tcp>", port))
		l.expect("ACK")
		times <- time.Now()
		l.bye()
	})
	trunk := trunkTo(p)
	trunk.ConnectTimeout = patience
	o := begin(t, newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunk}, Media: s}), callTo(callee)).ends(dialer.ClientHangup)
	answered, acked, audible := <-times, <-times, <-ran
	require.Less(t, acked.Sub(answered), patience/2)
	require.Greater(t, acked.Sub(audible), 50*time.Millisecond, "the audio begins while the way is being looked for")
	require.NotEmpty(t, o.Details["acked_at"])
	p.balanced()
}

package sip_test

import (
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// blackhole drops what would connect to the port, as firewalls do: a listener whose queue is full. It returns false if
// the port is somebody else's.
func blackhole(t *testing.T, port int) bool {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		return false
	}
	require.NoError(t, syscall.Listen(fd, 0))
	to := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
	for range 4 {
		conn, err := net.DialTimeout("tcp", to.String(), 300*time.Millisecond)
		if err != nil {
			return true
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	require.Fail(t, "the queue is not full")
	return false
}

// A UDP trunk whose server drops connections takes large calls over UDP, and all others as before.
func TestALargeInviteWhereTCPIsDropped(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", refuses(486))
	for !blackhole(t, p.port) {
		p = newPeer(t, "udp", refuses(486))
	}
	call, headers := large()
	d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunkTo(p)}, Headers: headers})
	begin(t, d, call).ends(dialer.DialBusy)
	require.True(t, strings.HasPrefix(p.only().first.get("Via"), "SIP/2.0/UDP "))
	require.Equal(t, sip.ServerUp, d.Servers()[0].State)
	begin(t, d, callTo(callee)).ends(dialer.DialBusy)
	again := begin(t, d, call)
	again.ends(dialer.DialBusy)
	require.Less(t, again.took, 900*time.Millisecond, "the server is not asked for TCP again so soon")
}

package sip_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch/config"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// A configuration is read again while a call is up, though the new carrier listens at the port of the old one.
func TestReloadOfACarrierAtAFixedPort(t *testing.T) {
	t.Parallel()
	hangUp := make(chan struct{})
	p := newPeer(t, "udp", func(l *leg) {
		l.talk()
		if l.first.user() == string(callee) {
			<-hangUp
		}
		l.bye()
	})
	path := filepath.Join(t.TempDir(), "outdial.yaml")
	write := func(listen, more string) {
		text := fmt.Sprintf(`organisations: {demo: {concurrency_limit: 9}}
carriers:
  trunk: {url: "sip://127.0.0.1:%d?listen=%s&media=none&keepalive=0&session=0%s", guard: off}
numbers:
  main: {e164: "+442079460000", carriers: [trunk]}
`, p.port, listen, more)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	var live *config.Live
	var listen string
	require.Eventually(t, func() bool { // the port that is free may be taken before it is used
		free, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		listen = free.LocalAddr().String()
		require.NoError(t, free.Close())
		write(listen, "")
		live, err = config.Open(path)
		return err == nil
	}, patience, time.Millisecond)
	defer live.Close()
	old := begin(t, live.Dialers()["trunk"], callTo(callee)).reaches(dialer.Connected)

	write(listen, "&prefix=99")
	retired := make(chan struct{})
	changes, err := live.Reload(func(map[string]dialer.Dialer) (<-chan struct{}, error) { return retired, nil })
	require.NoError(t, err)
	require.Equal(t, "carriers replaced: trunk", changes.String())
	both := live.Carrier("trunk")
	require.Len(t, both, 2)
	begin(t, both[0], callTo(callee+"1")).ends(dialer.ClientHangup)
	require.ElementsMatch(t, []string{string(callee), "99" + string(callee) + "1"}, p.dialled())

	close(hangUp)
	old.ends(dialer.ClientHangup)
	close(retired)
	require.Eventually(t, func() bool { return len(live.Leaving()) == 0 }, patience, time.Millisecond)
	begin(t, both[0], callTo(callee+"2")).ends(dialer.ClientHangup)
	p.balanced()
	require.NoError(t, live.Close())
	require.False(t, sip.IsShared(listen))
}

// dialled are the numbers that were.
func (p *peer) dialled() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, l := range p.legs {
		all = append(all, l.first.user())
	}
	return all
}

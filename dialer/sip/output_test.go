package sip_test

import (
	"log"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// listenToTheProcess returns what is written to the process's log until the end of the test, which is no parallel one.
func listenToTheProcess(t *testing.T) *notebook {
	t.Helper()
	said, before := &notebook{}, slog.Default() //nolint:forbidigo // it is what is tested
	writer, flags := log.Writer(), log.Flags()
	slog.SetDefault(said.logger())
	t.Cleanup(func() {
		slog.SetDefault(before)
		log.SetOutput(writer)
		log.SetFlags(flags)
	})
	return said
}

// What comes just before a connection is lost is answered without a word of sipgo's, which counts the users of it.
func TestNothingIsWrittenToTheProcessesLog(t *testing.T) {
	said := listenToTheProcess(t)
	for i := range 40 {
		transport := []string{"tcp", "tls"}[i%2]
		p := newPeer(t, transport, func(l *leg) {
			l.talk()
			l.begin("BYE", "") // and does not wait for the answer, which finds the connection closed
			l.book(l.tag, func(a *answer) { a.over = true })
			l.p.drop()
		})
		d, err := sip.New(sip.Config{Trunks: []sip.Trunk{trunkTo(p)}, Listen: "127.0.0.1:0"})
		require.NoError(t, err)
		begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
		p.balanced()
		require.NoError(t, d.Close())
	}
	require.Empty(t, said.all())
}

// A trunk that is named by URL tells the process's log what an operator has to know.
func TestATrunkThatIsNamedByURLHasALog(t *testing.T) {
	said := listenToTheProcess(t)
	p := newPeer(t, "udp", answers)
	d, err := dialer.Open("sip://" + p.addr() + "?keepalive=0&media=none&listen=127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.(*sip.Dialer).Close()) })
	stranger, err := net.ListenPacket("udp", "127.0.0.2:0")
	require.NoError(t, err)
	defer stranger.Close()
	require.Eventually(t, func() bool {
		_, err = stranger.WriteTo([]byte("hello"), d.(*sip.Dialer).Addr())
		return err == nil && said.has("belongs to no SIP trunk")
	}, patience, 10*time.Millisecond)
}

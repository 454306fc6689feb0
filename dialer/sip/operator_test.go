package sip_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// journal is a log that is read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

// lines are those with the text.
func (j *journal) lines(text string) (found []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.text.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// udpAddr is the address in a SIP URI.
func udpAddr(t *testing.T, uri string) *net.UDPAddr {
	_, hostport, _ := strings.Cut(uri, "@")
	addr, err := net.ResolveUDPAddr("udp", hostport)
	if err != nil {
		t.Error(err)
	}
	return addr
}

func TestWhatStrangersSendIsCounted(t *testing.T) {
	t.Parallel()
	var log journal
	p := newPeer(t, "udp", answers)
	d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunkTo(p)}, Logger: log.logger()})
	stranger, err := net.ListenPacket("udp", "127.0.0.2:0")
	require.NoError(t, err)
	defer stranger.Close()
	for range 5 {
		_, err = stranger.WriteTo([]byte("OPTIONS sip:x SIP/2.0\r\n\r\n"), d.Addr())
		require.NoError(t, err)
	}
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext(t.Context(), "tcp", d.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.Eventually(t, func() bool { return d.Dropped() == 6 }, patience, time.Millisecond)
	require.Eventually(t, func() bool { return len(log.lines("belongs to no SIP trunk")) > 0 }, patience, time.Millisecond)
	require.Len(t, log.lines("belongs to no SIP trunk"), 1, "the log is not filled")
	require.Contains(t, log.lines("belongs to no SIP trunk")[0], "address=127.0.0.2")
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
	require.EqualValues(t, 6, d.Dropped(), "the trunk is no stranger")
}

func TestTrace(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, transport, answers)
			var mu sync.Mutex
			var seen []string
			d := newDialerOf(t, sip.Config{
				Trunks: []sip.Trunk{trunkTo(p)},
				Trace: func(way sip.Direction, peer netip.AddrPort, message []byte) {
					mu.Lock()
					defer mu.Unlock()
					if peer.String() != p.addr() {
						t.Errorf("the peer is %v", peer)
					}
					first, _, _ := strings.Cut(string(message), " ")
					if first == "SIP/2.0" {
						first = string(message[len("SIP/2.0 ") : len("SIP/2.0 ")+3])
					}
					seen = append(seen, string(way)+" "+first)
				},
			})
			begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
			p.balanced()
			mu.Lock()
			defer mu.Unlock()
			require.Equal(t, []string{
				"sent INVITE", "received 180", "received 200", "sent ACK", "received BYE", "sent 200",
			}, seen)
		})
	}
}

// A server says in the Via of its responses where it sees us.
func TestAWrongAddressIsReported(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		params, advertise, seen string
		wrong                   bool
	}{
		"behind a translator": {";received=203.0.113.9;rport=40000", "", "203.0.113.9:40000", true},
		"another port":        {";rport=40000", "", "127.0.0.1:40000", true},
		"as advertised":       {";received=203.0.113.9;rport=40000", "203.0.113.9:40000", "203.0.113.9:40000", false},
		"a name":              {";received=203.0.113.9;rport=40000", "pbx.test:40000", "203.0.113.9:40000", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log journal
			p := newPeer(t, "udp", func(l *leg) {
				m := *l.first
				m.answer = func(s string) { l.first.answer(strings.Replace(s, ";rport", c.params, 1)) }
				l.reply(&m, 486, "Busy Here")
			})
			d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunkTo(p)}, Logger: log.logger(), Advertise: c.advertise})
			begin(t, d, callTo(callee)).ends(dialer.DialBusy)
			begin(t, d, callTo(callee)).ends(dialer.DialBusy)
			status := d.Servers()[0]
			require.Equal(t, c.seen, status.Seen)
			require.Equal(t, c.wrong, status.Told != status.Seen)
			want := 0
			if c.wrong {
				want = 1
			}
			require.Len(t, log.lines("at another address than it is told"), want)
		})
	}
}

func TestServers(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", answers)
	trunk := trunkTo(p)
	trunk.Name = "main"
	d := newDialer(t, trunk)
	require.Empty(t, d.Servers(), "nothing is known before the first call")
	before := time.Now()
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
	all := d.Servers()
	require.Len(t, all, 1)
	require.Equal(t, p.addr(), all[0].Address.String())
	require.Equal(t, "main", all[0].Trunk)
	require.Equal(t, sip.UDP, all[0].Transport)
	require.Equal(t, sip.ServerUp, all[0].State)
	require.False(t, all[0].Heard.Before(before))
}

// optionsAt has the peer answer OPTIONS.
func (p *peer) optionsAt(answer func(*message)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.other = answer
}

func TestProbe(t *testing.T) {
	t.Parallel()
	const challenge = `WWW-Authenticate: Digest realm="r", nonce="n", algorithm=MD5`
	says := func(code int, more ...string) func(*message) {
		return func(m *message) { m.answer(m.response(code, "Said", "x", more, "")) }
	}
	for name, c := range map[string]struct {
		answer func(*message)
		user   bool
		err    string
	}{
		"200":                 {answer: says(200)},
		"a method it has not": {answer: says(405)},
		"403":                 {answer: says(403), err: "403 Said"},
		"503":                 {answer: says(503), err: "503 Said"},
		"silence":             {answer: func(*message) {}, err: "nothing was heard"},
		"no credentials":      {answer: says(401, challenge), err: "asks for a user"},
		"wrong credentials":   {answer: says(401, challenge), user: true, err: "does not take the user and the secret"},
		"right credentials": {user: true, answer: func(m *message) {
			if m.get("Authorization") == "" {
				says(401, challenge)(m)
				return
			}
			says(200)(m)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", answers)
			p.optionsAt(c.answer)
			trunk := trunkTo(p)
			if c.user {
				trunk = trunkWithUser(p)
			}
			err := newDialer(t, trunk).Probe(t.Context())
			if c.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.err)
			require.ErrorContains(t, err, p.addr())
			require.NotContains(t, err.Error(), secret)
		})
	}
}

func TestProbeNeedsOneServer(t *testing.T) {
	t.Parallel()
	refused := sip.Trunk{Name: "refused", Host: "127.0.0.1", Port: 1, Transport: sip.TCP, KeepAlive: -1}
	unknown := sip.Trunk{Host: "unknown.invalid", KeepAlive: -1}
	p := newPeer(t, "udp", answers)
	p.optionsAt(func(m *message) { m.answer(m.response(200, "OK", "x", nil, "")) })
	d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{refused, unknown, trunkTo(p)}, Resolver: zone{}})
	require.NoError(t, d.Probe(t.Context()))
	d = newDialerOf(t, sip.Config{Trunks: []sip.Trunk{refused, unknown}, Resolver: zone{}})
	err := d.Probe(t.Context())
	require.ErrorContains(t, err, "refused, 127.0.0.1:1: ")
	require.ErrorContains(t, err, "unknown.invalid: ")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, d.Probe(over))
	require.NoError(t, d.Close())
	require.Error(t, d.Probe(t.Context()))
}

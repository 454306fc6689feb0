package sip

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCause(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		`Q.850;cause=17;text="User busy"`:                         "17",
		`SIP;cause=200;text="Call, completed",q.850 ; Cause = 16`: "16",
		`Q.850;text="a;cause=3";cause="31"`:                       "31",
		`Q.850;cause=x`:                                           "", `Q.850`: "", `SIP;cause=486`: "", ``: "", `Q.850;cause=999`: "", `"`: "", `Q.850;cause=-1`: "",
	} {
		require.Equal(t, want, causeOf(reason), reason)
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]uint32{
		"120": 120, " 18000;duration=3600": 18000, "5 (I'm in a meeting)": 5, "4294967296000": 0, "99999999": 86400, "x": 0, "": 0, "-1": 0,
	} {
		got, ok := secondsOf(s)
		require.Equal(t, want, got, s)
		require.Equal(t, want != 0, ok, s)
	}
}

func TestDescription(t *testing.T) {
	t.Parallel()
	body := "--b\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b--\r\n"
	require.Equal(t, "v=0\r\n", string(description(`multipart/mixed; boundary=b`, []byte(body))))
	require.Equal(t, "v=0", string(description("Application/SDP ; x=y", []byte("v=0"))))
	require.Equal(t, "v=0", string(description("", []byte("v=0"))))
	for contentType, body := range map[string]string{
		"application/sdp": " ", "text/plain": "v=0", "multipart/mixed": "v=0", "": "x", "multipart/mixed; boundary=b": "--b\r\n", ";": "v=0",
	} {
		require.Nil(t, description(contentType, []byte(body)), contentType)
	}
}

func TestServersInTurn(t *testing.T) {
	t.Parallel()
	servers := []server{{2, 0, 5, nil}, {1, 90, 1, nil}, {1, 10, 2, nil}, {1, 0, 3, nil}}
	firsts := map[uint16]int{}
	const draws = 10000
	for range draws {
		got := inTurn(servers, randomly)
		require.Equal(t, uint16(5), got[3].port, "the lower priority is last")
		firsts[got[0].port]++
	}
	require.InDelta(t, 0.9*draws, firsts[1], 0.02*draws)
	require.InDelta(t, 0.1*draws, firsts[2], 0.02*draws)
	require.Zero(t, firsts[3])
	require.Equal(t, uint16(5), servers[0].port, "what was given is as it was")
}

func TestPeers(t *testing.T) {
	t.Parallel()
	p := newPeers([]Trunk{{Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}, nil)
	one := netip.MustParseAddr("198.51.100.1")
	require.True(t, p.has(netip.MustParseAddr("192.0.2.7")))
	require.True(t, p.has(netip.MustParseAddr("::ffff:192.0.2.7")))
	require.False(t, p.has(one))
	first, second := p.add(one), p.add(one)
	first()
	first()
	require.True(t, p.has(one))
	second()
	require.False(t, p.has(one))
}

// sipgo stops listening for ever on an error that is not net.ErrClosed.
func TestSocketOutlivesErrors(t *testing.T) {
	t.Parallel()
	p := newPeers(nil, slog.New(slog.DiscardHandler))
	p.add(netip.MustParseAddr("127.0.0.1"))
	ds := &dialers{}
	ds.add(&Dialer{peers: p, book: newBook()})
	s, l, err := listen("127.0.0.1:0", ds)
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, s.SetReadDeadline(time.Unix(1, 0)), "every read fails")
	got := make(chan string, 1)
	go func() {
		buffer := make([]byte, 100)
		n, _, err := s.ReadFrom(buffer)
		got <- string(buffer[:n])
		if err == nil {
			_, _, err = s.ReadFrom(buffer)
		}
		got <- err.Error()
	}()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "udp", s.LocalAddr().String())
	require.NoError(t, err)
	defer conn.Close()
	const hello = "SIP/2.0 200 hello\r\n\r\n"
	for _, text := range []string{"no message", hello} {
		_, err = conn.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, s.SetReadDeadline(time.Time{}))
	require.Equal(t, hello, <-got)
	require.NoError(t, s.Close())
	require.Contains(t, <-got, "closed")
}

func TestWorkThatOutlastsClose(t *testing.T) {
	t.Parallel()
	w := newWork()
	ended := make(chan error, 1)
	require.True(t, w.background(func(ctx context.Context) {
		<-ctx.Done()
		ended <- context.Cause(ctx)
	}))
	require.True(t, w.close(time.Millisecond))
	require.ErrorIs(t, <-ended, errClosed)
	require.False(t, w.background(func(context.Context) {}))
	require.Nil(t, w.begin())
	require.False(t, w.close(time.Millisecond))
}

func TestFailedFlowsSayNothingOfTheCall(t *testing.T) {
	t.Parallel()
	f := &flow{write: func([]byte) (int, error) { return 0, errors.New("no route") }}
	err := f.WriteMsg(newTestRequest())
	failed, ok := errors.AsType[*writeError](err)
	require.True(t, ok)
	require.Zero(t, failed.written)
	require.NotContains(t, err.Error(), "14155550123")
}

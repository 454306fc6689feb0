package sip_test

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
	"github.com/outdial/outdial/dialer/sip/media"
)

// notebook is a log that tests read.
type notebook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (n *notebook) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(b)
}

func (n *notebook) has(s string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Contains(n.text.String(), s)
}

func (n *notebook) all() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

func (n *notebook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(n, nil)) }

// hungUp is a call that we hang up at a peer with that script.
func hungUp(t *testing.T, script func(*leg)) (*peer, *notebook) {
	t.Helper()
	p := newPeer(t, "udp", func(l *leg) {
		l.byHand("BYE")
		l.talk()
		script(l)
	})
	log := &notebook{}
	d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunkTo(p)}, Logger: log.logger()})
	d.SetSecond(10 * time.Millisecond)
	r := begin(t, d, callTo(callee)).reaches(dialer.Connected)
	r.cancel(nil)
	r.ends(dialer.APICancelled)
	return p, log
}

func TestAByeThatIsRefusedForNowIsSentAgain(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(*leg, *message){
		"500 with Retry-After": func(l *leg, m *message) { l.reply(m, 500, "Server Internal Error", "Retry-After: 1") },
		"503 with Retry-After": func(l *leg, m *message) { l.reply(m, 503, "Service Unavailable", "Retry-After: 2") },
		"491":                  func(l *leg, m *message) { l.reply(m, 491, "Request Pending") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			numbers := make(chan int, 3)
			p, log := hungUp(t, func(l *leg) {
				for range 2 {
					m := l.expect("BYE")
					numbers <- m.seq()
					refuse(l, m)
				}
				m := l.expect("BYE")
				numbers <- m.seq()
				l.reply(m, 200, "OK")
			})
			p.balanced()
			first, second, third := <-numbers, <-numbers, <-numbers
			require.Less(t, first, second)
			require.Less(t, second, third)
			require.False(t, log.has("BYE"), "nobody has to look")
		})
	}
}

func TestAByeThatIsRefusedIsReported(t *testing.T) {
	t.Parallel()
	p, log := hungUp(t, func(l *leg) { l.reply(l.expect("BYE"), 403, "Forbidden") })
	require.Eventually(t, func() bool { return log.has("may be live at the carrier") }, patience, time.Millisecond)
	require.True(t, log.has("code=403"))
	require.True(t, log.has("trunk=peer"))
	require.True(t, log.has("sip_call_id="+p.only().id))
	require.Equal(t, 1, p.liveCalls(), "which it is")
}

func TestAByeForACallThatIsGoneIsDone(t *testing.T) {
	t.Parallel()
	for _, code := range []int{481, 408} {
		p, log := hungUp(t, func(l *leg) {
			l.reply(l.expect("BYE"), code, "Gone")
			l.expect("INFO") // which never comes: until the end of the test
		})
		require.Eventually(t, func() bool { return len(p.only().saw()) == 3 }, patience, time.Millisecond)
		require.False(t, log.has("BYE"))
		p.only().closeOnce.Do(func() { close(p.only().closed) })
	}
}

func TestWhyACallEndsIsTold(t *testing.T) {
	t.Parallel()
	told := make(chan string, 1)
	p := newPeer(t, "udp", func(l *leg) {
		l.talk()
		told <- l.expect("BYE").get("Reason")
	})
	r := begin(t, newDialer(t, trunkTo(p)), callTo(callee)).reaches(dialer.Connected)
	r.cancel(dialer.HangUp(dialer.Inactivity))
	r.ends(dialer.Inactivity)
	require.Contains(t, <-told, "Q.850;cause=102")
	p.balanced()

	for cause, limit := range map[string]time.Duration{"cause=19": 100 * time.Millisecond, "cause=16": time.Minute} {
		q := newPeer(t, "udp", func(l *leg) {
			l.ring()
			told <- l.expect("CANCEL").get("Reason")
		})
		call := callTo(callee)
		call.RingTimeout = limit
		r := begin(t, newDialer(t, trunkTo(q)), call).reaches(dialer.Ringing)
		if limit == time.Minute {
			r.cancel(nil)
		}
		require.Contains(t, <-told, cause)
		r.over()
	}
}

// An agent in this process that does not see the end of the call must not hold it up, nor the end of the dialer.
func TestAnAgentThatIgnoresTheEnd(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.replyAs(l.tag, l.first, 200, "OK", rtpDescription)
		l.expect("ACK")
		l.bye()
	})
	release, returned := make(chan struct{}), make(chan struct{})
	h, err := media.RTP(media.Config{
		IP: netip.MustParseAddr("127.0.0.1"), Ports: media.PortRange{First: 15000, Last: 15009},
		Agent: media.AgentFunc(func(context.Context, media.Leg) error {
			defer close(returned)
			<-release
			return nil
		}),
	})
	require.NoError(t, err)
	log := &notebook{}
	d, err := sip.New(sip.Config{Trunks: []sip.Trunk{trunkTo(p)}, Media: h, Logger: log.logger(), Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
	require.NoError(t, d.Close())
	require.True(t, log.has("the agent does not return"))
	select {
	case <-returned:
		require.Fail(t, "nothing was waited for")
	default:
	}
	close(release)
	<-returned
}

// The slot of a call is free, and its end noted, when it is over, however long its media takes.
func TestTheEndIsWhenTheCallIsOver(t *testing.T) {
	t.Parallel()
	over := make(chan time.Time, 1)
	p := newPeer(t, "udp", func(l *leg) {
		l.talk()
		over <- time.Now()
		l.bye()
	})
	release := make(chan struct{})
	s := &studio{run: func(ctx context.Context) error {
		<-ctx.Done()
		<-release
		return nil
	}}
	o := begin(t, newDialerOf(t, with(p, s)), callTo(callee)).ends(dialer.ClientHangup)
	require.Equal(t, "7", o.Details["media_packets"], "what the media tells is kept all the same")
	close(release)
	require.Less(t, o.EndedAt.Sub(<-over), time.Since(o.EndedAt), "it is not the time at which the media was done with")
}

const rtpDescription = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"

func TestAnAgentThatLeavesWhileItRings(t *testing.T) {
	t.Parallel()
	s := &studio{left: make(chan struct{})}
	p := newPeer(t, "udp", func(l *leg) { l.ring() })
	r := begin(t, newDialerOf(t, with(p, s)), callTo(callee)).reaches(dialer.Ringing)
	close(s.left)
	o := r.ends(dialer.DialNoAnswer)
	require.True(t, o.ConnectedAt.IsZero())
	require.False(t, o.Reason.Completes(false), "nobody was spoken to: it may be tried again")
	require.NotEmpty(t, o.Details["agent_left_at"])
	p.only().afterwards("CANCEL")
	p.balanced()
	require.NotContains(t, s.noted(), "run")

	q := newPeer(t, "udp", func(l *leg) { l.ring() })
	err := begin(t, newDialerOf(t, with(q, s)), callTo(callee)).over().err
	var unavailable *dialer.UnavailableError
	require.ErrorAs(t, err, &unavailable, "nobody was called")
	require.True(t, unavailable.AgentOnly)
	require.Zero(t, q.placed())
}

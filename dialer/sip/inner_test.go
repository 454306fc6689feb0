package sip

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	msg "github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// within is a dialer over a server that says nothing, and what is sent to that.
func within(t *testing.T) (*Dialer, net.PacketConn, hop) {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	remote := server.LocalAddr().(*net.UDPAddr).AddrPort()
	d, err := New(Config{Listen: "127.0.0.1:0", Trunks: []Trunk{{
		Host: "127.0.0.1", Port: int(remote.Port()), KeepAlive: -1, SessionInterval: -1,
	}}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d, server, d.trunks[0].hop(remote)
}

// inviteWithin is an INVITE that has not left, of a call that is known.
func inviteWithin(t *testing.T, d *Dialer, h hop) *invite {
	t.Helper()
	c, err := d.newCall(dialer.Call{ID: "x", To: "+14155550123"}, func(dialer.Progress) {})
	require.NoError(t, err)
	f, err := d.flows.to(t.Context(), h)
	require.NoError(t, err)
	inv, err := c.compose(&attempt{t: d.trunks[0], hop: h, uri: c.callee(d.trunks[0]), cred: &credentials{}}, f)
	require.NoError(t, err)
	d.book.add(c)
	c.note(inv)
	return inv
}

// sipgo drops what comes between the giving up of an INVITE and the end of its transaction. It is cancelled all
// the same.
func TestRingingThatIsDroppedIsCancelled(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]func(*Dialer, *invite){
		"while the call ends": func(*Dialer, *invite) {},
		"in the past":         func(d *Dialer, inv *invite) { d.book.retire(inv.c) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testRingingThatIsDropped(t, after)
		})
	}
}

func testRingingThatIsDropped(t *testing.T, after func(*Dialer, *invite)) {
	d, server, h := within(t)
	inv := inviteWithin(t, d, h)
	inv.givenUp = true
	branch := branchOf(inv.req)
	raw := "SIP/2.0 180 Ringing\r\nVia: " + inv.req.Via().Value() + "\r\nCall-ID: " + inv.c.id + "\r\n\r\n"
	inv.flow.hold()
	after(d, inv)
	d.overhear([]byte(raw))
	d.overhear([]byte(raw))
	require.NoError(t, server.SetReadDeadline(time.Now().Add(10*time.Second)))
	b := make([]byte, 2048)
	n, from, err := server.ReadFrom(b)
	require.NoError(t, err)
	m, err := msg.ParseMessage(b[:n])
	require.NoError(t, err)
	cancel, ok := m.(*msg.Request)
	require.True(t, ok)
	require.Equal(t, msg.CANCEL, cancel.Method)
	require.Equal(t, branch, branchOf(cancel))
	_, err = server.WriteTo([]byte(msg.NewResponseFromRequest(cancel, 200, "OK", nil).String()), from)
	require.NoError(t, err)
}

// An answer that sipgo drops, while the transaction ends or because another came first, is hung up
// without coming again.
func TestAnswerThatIsDroppedIsHungUp(t *testing.T) {
	t.Parallel()
	for name, happens := range map[string]func(inv *invite, answer func(tag string)){
		"before it is given up": func(inv *invite, answer func(string)) { answer("b1"); inv.giveUp() },
		"after":                 func(inv *invite, answer func(string)) { inv.giveUp(); answer("b1"); answer("b1") },
		"beside the one that is chosen": func(inv *invite, answer func(string)) {
			answer("b0")
			answer("b1")
			require.True(t, inv.choose(parseResponse([]byte(answerTo(inv, "b0")))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, server, h := within(t)
			inv := inviteWithin(t, d, h)
			require.NoError(t, inv.send(t.Context()))
			t.Cleanup(inv.tx.Terminate)
			happens(inv, func(tag string) { d.overhear([]byte(answerTo(inv, tag))) })
			require.Equal(t, []string{"ACK b1", "BYE b1"}, heardAfterInvite(t, server, 2))
		})
	}
}

func answerTo(inv *invite, tag string) string {
	res := msg.NewResponseFromRequest(inv.req, 200, "OK", nil)
	res.To().Params.Add("tag", tag)
	res.AppendHeader(msg.NewHeader("Contact", "<sip:b@"+inv.hop.remote.String()+">"))
	return res.String()
}

// heardAfterInvite answers requests and returns the first n of them, with the tag of each.
func heardAfterInvite(t *testing.T, server net.PacketConn, n int) (heard []string) {
	t.Helper()
	require.NoError(t, server.SetReadDeadline(time.Now().Add(30*time.Second)))
	b := make([]byte, 4096)
	for len(heard) < n {
		size, from, err := server.ReadFrom(b)
		require.NoError(t, err, "only %v", heard)
		m, err := msg.ParseMessage(b[:size])
		require.NoError(t, err)
		req, ok := m.(*msg.Request)
		require.True(t, ok)
		if req.Method == msg.INVITE {
			continue
		}
		if what := string(req.Method) + " " + toTag(req); !slices.Contains(heard, what) { // an ACK may come again
			heard = append(heard, what)
		}
		if req.Method != msg.ACK {
			_, err = server.WriteTo([]byte(msg.NewResponseFromRequest(req, 200, "OK", nil).String()), from)
			require.NoError(t, err)
		}
	}
	return heard
}

// Flows that nobody uses go, but for those to the trunk's own servers.
func TestFlowsThatNobodyUsesAreClosed(t *testing.T) {
	t.Parallel()
	d, _, own := within(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	closed := make(chan struct{}, 2)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
				closed <- struct{}{}
			}()
		}
	}()
	mine, err := d.flows.to(t.Context(), own)
	require.NoError(t, err)
	d.trunks[0].heard(own.remote)
	other := hop{transport: UDP, remote: netip.MustParseAddrPort("127.0.0.1:9")}
	_, err = d.flows.to(t.Context(), other)
	require.NoError(t, err)
	stream := hop{transport: TCP, remote: listener.Addr().(*net.TCPAddr).AddrPort()}
	used, err := d.flows.to(t.Context(), stream)
	require.NoError(t, err)

	used.hold()
	d.flows.tidy(-time.Hour, d.isServer)
	require.False(t, used.lost(), "a call needs it")
	require.Len(t, d.flows.packets, 1)
	require.Same(t, mine, d.flows.packets[own.remote])
	used.release()
	d.flows.tidy(time.Hour, d.isServer)
	require.False(t, used.lost(), "it was needed a short while ago")
	d.flows.tidy(-time.Hour, d.isServer)
	require.True(t, used.lost())
	require.Empty(t, d.flows.streams)
	<-closed
	again, err := d.flows.to(t.Context(), stream)
	require.NoError(t, err)
	require.False(t, again.lost())

	again.hold() // one by which an INVITE had no answer: it is left open for what may come
	again.leaveIfSilent(time.Now())
	newer, err := d.flows.to(t.Context(), stream)
	require.NoError(t, err)
	require.NotSame(t, again, newer)
	d.flows.tidy(-time.Hour, d.isServer)
	require.False(t, again.lost())
	again.release()
	d.flows.tidy(-time.Hour, d.isServer)
	require.True(t, again.lost())
	require.Empty(t, d.flows.left)
}

// Calls give back what they hold, however they end.
func TestCallsGiveBackTheirFlows(t *testing.T) {
	t.Parallel()
	d, _, h := within(t)
	inv := inviteWithin(t, d, h)
	inv.flow.hold()
	d.book.retire(inv.c)
	require.EqualValues(t, 1, inv.flow.users.Load())
	_, p := d.book.find(inv.c.id)
	raised := p.raise(d)
	require.NotNil(t, raised)
	require.EqualValues(t, 1, inv.flow.users.Load())
	d.book.mu.Lock()
	d.book.forget(inv.c.id)
	d.book.forget(inv.c.id)
	d.book.mu.Unlock()
	require.Zero(t, inv.flow.users.Load())

	inv = inviteWithin(t, d, h) // and one that nothing comes for any more
	inv.flow.hold()
	d.book.retire(inv.c)
	d.book.mu.Lock()
	d.book.forget(inv.c.id)
	d.book.mu.Unlock()
	require.Zero(t, inv.flow.users.Load())
}

// What is allowed for a BYE that leaves when its call is over already is taken back, too.
func TestWhoIsAllowedLate(t *testing.T) {
	t.Parallel()
	d, _, h := within(t)
	inv := inviteWithin(t, d, h)
	g := newDialog(inv, msg.NewResponse(200, "OK"))
	release(g.given())
	late := netip.MustParseAddr("192.0.2.77")
	g.allow(late)
	require.True(t, d.peers.has(late))
	require.Eventually(t, func() bool { return !d.peers.has(late) }, 30*time.Second, 10*time.Millisecond)
}

// broken is a listener that has no descriptors left for a while.
type broken struct {
	net.Listener

	fails int
	asked int
}

func (b *broken) Accept() (net.Conn, error) {
	if b.asked++; b.asked > b.fails {
		return nil, net.ErrClosed
	}
	return nil, errors.New("too many open files")
}

func TestAcceptDoesNotSpin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		l := &listener{Listener: &broken{fails: 100}, dialers: &dialers{}}
		_, err := l.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		require.GreaterOrEqual(t, time.Since(begun), time.Second)
	})
}

func TestAHeaderCostsNoMessage(t *testing.T) {
	t.Parallel()
	p := newParser(map[string]msg.HeaderParser{
		"x-bad": func([]byte, string) (msg.Header, error) { panic("out of range") },
	})
	m, err := p.ParseSIP([]byte("OPTIONS sip:a SIP/2.0\r\nX-Bad: 1\r\nContent-Length: 0\r\n\r\n"))
	require.NoError(t, err)
	require.Equal(t, "1", header(m, "unreadable"))
	require.True(t, startsRequest([]byte("OPTIONS sip:a SIP/2.0")))
	require.False(t, startsRequest([]byte("garbage")))
}

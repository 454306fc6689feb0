package siptest

import (
	"errors"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// wire stands between a dialer and a carrier, and can lose datagrams and break connections. The
// carrier's side of it stays up.
type wire struct {
	t        testing.TB
	port     int
	lose     func(message) bool // nil: nothing; sent says that it is the carrier's
	upstream net.Conn
	done     sync.WaitGroup

	mu         sync.Mutex
	packets    net.PacketConn
	listener   net.Listener
	downstream net.Conn
	from       net.Addr
}

func newWire(tb testing.TB, transport string, port int, lose func(message) bool) *wire {
	tb.Helper()
	w := &wire{t: tb, lose: lose}
	var err error
	w.upstream, err = net.Dial(transport, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	require.NoError(tb, err)
	if transport == "udp" {
		w.packets, err = net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(tb, err)
		w.port = w.packets.LocalAddr().(*net.UDPAddr).Port
		w.done.Go(w.carryPackets)
	} else {
		w.listener, err = net.Listen("tcp", "127.0.0.1:0")
		require.NoError(tb, err)
		w.port = w.listener.Addr().(*net.TCPAddr).Port
		w.done.Go(w.accept)
	}
	w.done.Go(w.carryBack)
	tb.Cleanup(w.close)
	return w
}

func (w *wire) close() {
	_ = w.upstream.Close()
	if w.packets != nil {
		_ = w.packets.Close()
	}
	if w.listener != nil {
		_ = w.listener.Close()
	}
	w.cut()
	w.done.Wait()
}

// cut breaks the connection that there is. The next one is carried again.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.downstream != nil {
		_ = w.downstream.Close()
		w.downstream = nil
	}
}

func (w *wire) loses(raw []byte, sent bool) bool {
	if w.lose == nil {
		return false
	}
	m := parseMessage(string(raw))
	m.sent = sent
	return m.head["cseq"] != "" && w.lose(m)
}

func (w *wire) carryPackets() {
	buffer := make([]byte, 65536)
	for {
		n, from, err := w.packets.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || w.loses(buffer[:n], false) {
			continue
		}
		w.mu.Lock()
		w.from = from
		w.mu.Unlock()
		_, _ = w.upstream.Write(buffer[:n])
	}
}

func (w *wire) accept() {
	for {
		conn, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.cut()
		w.mu.Lock()
		w.downstream = conn
		w.mu.Unlock()
		w.done.Go(func() { w.carryStream(conn) })
	}
}

func (w *wire) carryStream(conn net.Conn) {
	buffer := make([]byte, 65536)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		_, _ = w.upstream.Write(buffer[:n])
	}
}

func (w *wire) carryBack() {
	buffer := make([]byte, 65536)
	for {
		n, err := w.upstream.Read(buffer)
		if errors.Is(err, net.ErrClosed) || err != nil && w.listener != nil {
			return
		}
		if err != nil || w.loses(buffer[:n], true) {
			continue
		}
		w.mu.Lock()
		switch {
		case w.downstream != nil:
			_, _ = w.downstream.Write(buffer[:n])
		case w.packets != nil && w.from != nil:
			_, _ = w.packets.WriteTo(buffer[:n], w.from)
		}
		w.mu.Unlock()
	}
}

// once is true for the first message of the kind, and for that one only.
func once(kind string, sent bool) func(message) bool {
	var mu sync.Mutex
	over := false
	return func(m message) bool {
		mu.Lock()
		defer mu.Unlock()
		if over || m.sent != sent || m.String() != kind {
			return false
		}
		over = true
		return true
	}
}

package sip

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// defaultConnect is how long opening a connection may take.
const defaultConnect = 4 * time.Second

// flows opens the ways to servers and keeps them for the calls to come.
type flows struct {
	stack *stack
	work  *work
	host  string // what peers are told, empty: the local address
	port  uint16 // likewise, 0: the socket's

	closed atomic.Bool // nothing is sent any more

	mu      sync.Mutex
	packets map[netip.AddrPort]*flow
	streams map[streamKey]*opening
	left    []*flow // connections that are used for nothing new
}

// hop is a server of a trunk, and how to get there.
type hop struct {
	transport Transport
	remote    netip.AddrPort
	name      string // whose certificate is expected
	tls       *tls.Config
	patience  time.Duration // how long opening a connection may take; 0: defaultConnect
}

// streamKey tells connections apart that are not to be shared.
type streamKey struct {
	transport Transport
	remote    netip.AddrPort
	name      string
	tls       *tls.Config
}

// opening is a connection, or the attempt at one that several calls wait for.
type opening struct {
	done chan struct{}
	flow *flow
	err  error
}

func newFlows(st *stack, w *work, host string, port uint16) *flows {
	return &flows{
		stack: st, work: w, host: host, port: port,
		packets: map[netip.AddrPort]*flow{}, streams: map[streamKey]*opening{},
	}
}

// to returns a flow to the hop that is there at present.
func (fs *flows) to(ctx context.Context, h hop) (*flow, error) {
	if h.transport == UDP {
		return fs.packet(h.remote)
	}
	key := streamKey{h.transport, h.remote, h.name, h.tls}
	if h.transport == TCP {
		key.name, key.tls = "", nil
	}
	fs.mu.Lock()
	o := fs.streams[key]
	if o == nil || o.useless() {
		o = fs.reopen(key, o, h.patience)
	}
	fs.mu.Unlock()
	select {
	case <-o.done:
		if o.err == nil {
			o.flow.touch()
		}
		return o.flow, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// reopen is called with the lock held. The connection is opened on nobody's behalf: a call that
// is cancelled meanwhile must not take it away from others.
func (fs *flows) reopen(key streamKey, before *opening, patience time.Duration) *opening {
	switch {
	case before == nil || before.flow == nil:
	case before.flow.lost():
		fs.stack.unregister(before.flow)
	default:
		fs.left = append(fs.left, before.flow)
	}
	o := &opening{done: make(chan struct{})}
	fs.streams[key] = o
	begun := fs.work.background(func(ctx context.Context) {
		defer close(o.done)
		o.flow, o.err = fs.connect(ctx, key, patience)
	})
	if !begun {
		o.err = errClosed
		close(o.done)
	}
	return o
}

// useless is a connection that failed, was lost, or is not to be used any more.
func (o *opening) useless() bool {
	select {
	case <-o.done:
		return o.err != nil || o.flow.lost() || o.flow.stale.Load()
	default:
		return false
	}
}

// packet is a flow over the UDP socket.
func (fs *flows) packet(remote netip.AddrPort) (*flow, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.packets[remote]; f != nil {
		f.touch()
		return f, nil
	}
	host, err := fs.hostFor(remote)
	if err != nil {
		return nil, err
	}
	socket := fs.stack.socket
	f := &flow{
		transport: UDP, remote: remote, host: host, port: fs.portFor(socket.port()),
		write: func(b []byte) (int, error) {
			if fs.closed.Load() {
				return 0, errClosed
			}
			return socket.send(b, remote)
		},
	}
	f.touch()
	fs.add(f)
	fs.packets[remote] = f
	return f, nil
}

// hostFor is what the peer is told to call us: what was advertised, or the local address
// that leads there.
func (fs *flows) hostFor(remote netip.AddrPort) (string, error) {
	if fs.host != "" {
		return fs.host, nil
	}
	if bound := fs.stack.socket.host(); bound.IsValid() {
		return bound.WithZone("").String(), nil
	}
	conn, err := net.Dial("udp", remote.String()) //nolint:noctx // it sends nothing and does not block
	if err != nil {
		return "", fmt.Errorf("no way to the server: %w", err)
	}
	defer conn.Close()
	return localHost(conn), nil
}

func localHost(conn net.Conn) string {
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	if err != nil {
		return ""
	}
	return netip.MustParseAddr(host).WithZone("").Unmap().String()
}

func (fs *flows) portFor(local uint16) uint16 {
	if fs.port != 0 {
		return fs.port
	}
	return local
}

func (fs *flows) connect(ctx context.Context, key streamKey, patience time.Duration) (*flow, error) {
	if patience <= 0 {
		patience = defaultConnect
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := openStream(ctx, key)
	if err != nil {
		return nil, err
	}
	s := fs.stack.listener.streams.add(newStream(conn))
	f := &flow{
		transport: key.transport, remote: key.remote, host: fs.host,
		port: fs.portFor(fs.stack.socket.port()), write: s.Write, gone: s.gone, down: &s.down, stream: s,
	}
	f.touch()
	if f.host == "" {
		f.host = localHost(conn)
	}
	if key.transport == TLS && fs.port == 0 {
		f.port = localPort(conn) // there is no listener for TLS: a peer has this connection
	}
	fs.mu.Lock()
	fs.add(f)
	fs.mu.Unlock()
	if !fs.stack.opened[key.transport].give(s) {
		return nil, fmt.Errorf("%w: %w", net.ErrClosed, s.Close())
	}
	return f, nil
}

func localPort(conn net.Conn) uint16 {
	addr, ok := conn.LocalAddr().(*net.TCPAddr)
	if !ok {
		return 0
	}
	return addr.AddrPort().Port()
}

// openStream opens a connection.
func openStream(ctx context.Context, key streamKey) (net.Conn, error) {
	var d net.Dialer
	if key.transport == TCP {
		return d.DialContext(ctx, "tcp", key.remote.String())
	}
	config := key.tls.Clone()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if config.ServerName == "" {
		config.ServerName = key.name
	}
	return (&tls.Dialer{NetDialer: &d, Config: config}).DialContext(ctx, "tcp", key.remote.String())
}

// add is called with the lock held.
func (fs *flows) add(f *flow) {
	f.key = flowKey(fs.stack.flows.Add(1))
	f.destination = f.remote.String()
	fs.stack.register(f)
}

// tidy forgets the flows that are of no use, and closes the connections among them: to servers that are none
// of a trunk's, such as those that a Contact named once, and lost ones.
func (fs *flows) tidy(idle time.Duration, isServer func(netip.AddrPort) bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for remote, f := range fs.packets {
		if f.isIdle(idle) && !isServer(remote) {
			fs.stack.unregister(f)
			delete(fs.packets, remote)
		}
	}
	for key, o := range fs.streams {
		select {
		case <-o.done:
		default:
			continue
		}
		switch f := o.flow; {
		case o.err != nil:
			delete(fs.streams, key)
		case f.isIdle(idle) && (f.lost() || !isServer(key.remote)):
			fs.end(f)
			delete(fs.streams, key)
		}
	}
	fs.left = slices.DeleteFunc(fs.left, func(f *flow) bool {
		idle := f.isIdle(idle)
		if idle {
			fs.end(f)
		}
		return idle
	})
}

// close is called when nothing is under way any more. The socket goes on, so what sipgo would send again is not sent.
func (fs *flows) close() {
	fs.closed.Store(true)
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.packets {
		fs.stack.unregister(f)
	}
	for _, o := range fs.streams {
		if <-o.done; o.err == nil {
			fs.end(o.flow)
		}
	}
	for _, f := range fs.left {
		fs.end(f)
	}
}

// end is called with the lock held.
func (fs *flows) end(f *flow) {
	f.stream.cut() //nolint:errcheck,gosec // it was of use until now
	fs.stack.unregister(f)
}

// tidyFlows does that now and then.
func (d *Dialer) tidyFlows(context.Context) {
	ticker := time.NewTicker(transactionTime())
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			d.flows.tidy(transactionTime(), d.isServer)
		case <-d.work.calls.Done():
			return
		}
	}
}

func (d *Dialer) isServer(remote netip.AddrPort) bool {
	for _, t := range d.trunks {
		if t.knows(remote) {
			return true
		}
	}
	return false
}

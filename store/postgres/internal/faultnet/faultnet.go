// Package faultnet is a network between a client and a server that delays, cuts, swallows and resets what passes, at
// moments that a seed decides. It is for tests.
package faultnet

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Fault is what happens to a connection.
type Fault int

// The faults.
const (
	Delay   Fault = iota // what passes comes late
	Slice                // what passes comes in small pieces, late
	Cut                  // half of what was to pass arrives, then the connection ends in good order
	Reset                // nothing of it arrives, and the connection is reset
	Swallow              // nothing passes any more, in neither direction, and both ends stay connected
	Refuse               // a new connection is reset at once
	faults
)

// newOdds is how much likelier a new connection is struck: there are fewer of them.
const newOdds = 10

// Config says how bad the network is. The zero value passes everything on.
type Config struct {
	Seed uint64
	Odds float64       // from 0 to 1, that a fault of any kind strikes what passes at once; Refuse: ten times that
	Late time.Duration // most that Delay and each piece of Slice take
}

// Proxy passes connections on to a server. Its methods may be used from several goroutines.
type Proxy struct {
	listener net.Listener
	server   string
	config   Config
	calm     atomic.Bool
	counts   [faults]atomic.Int64
	all      sync.WaitGroup

	mu     sync.Mutex
	random *rand.Rand
	conns  map[net.Conn]bool
	closed bool
}

// Listen starts a proxy on a free port of the loopback interface. Close it in the end.
func Listen(ctx context.Context, server string, c Config) (*Proxy, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		listener: l, server: server, config: c, random: rand.New(rand.NewPCG(c.Seed, 0)), //nolint:gosec // to be repeated
		conns: map[net.Conn]bool{},
	}
	p.all.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Calm ends the faults to come. What was swallowed stays so.
func (p *Proxy) Calm() { p.calm.Store(true) }

// Count is how often a fault struck.
func (p *Proxy) Count(f Fault) int { return int(p.counts[f].Load()) }

// Close ends all connections and waits for what serves them.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		_ = c.Close() // it may be closed already
	}
	p.mu.Unlock()
	p.all.Wait()
	return err
}

// draw says whether a fault strikes, and which of them.
func (p *Proxy) draw(odds float64, from, to Fault) (f Fault, struck bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calm.Load() || p.random.Float64() >= odds {
		return 0, false
	}
	f = from + Fault(p.random.IntN(int(to-from)))
	p.counts[f].Add(1)
	return f, true
}

func (p *Proxy) late(ctx context.Context) {
	if p.config.Late <= 0 {
		return
	}
	p.mu.Lock()
	d := time.Duration(p.random.Int64N(int64(p.config.Late)))
	p.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// keep notes a connection, so that Close ends it, and says whether it may live.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.conns[c] = true
	}
	return !p.closed
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if _, struck := p.draw(newOdds*p.config.Odds, Refuse, faults); struck {
			reset(client)
			continue
		}
		p.all.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var d net.Dialer
	server, err := d.DialContext(ctx, "tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.keep(client) || !p.keep(server) {
		return
	}
	defer p.drop(client)
	defer p.drop(server)
	l := &link{Proxy: p, client: client, server: server}
	var both sync.WaitGroup
	both.Go(func() { l.pass(ctx, client, server); cancel() })
	both.Go(func() { l.pass(ctx, server, client); cancel() })
	both.Wait()
}

// link is a connection through the proxy.
type link struct {
	*Proxy

	client, server net.Conn

	deaf atomic.Bool // nothing passes any more
}

// pass takes what comes from one side to the other until either ends.
func (l *link) pass(ctx context.Context, from, to net.Conn) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			// A good-bye passes, but for where nothing does: then the other side finds out by itself, or at Close.
			if !l.deaf.Load() {
				_ = to.Close()
			}
			return
		}
		if l.deaf.Load() {
			continue
		}
		if !l.forward(ctx, buffer[:n], to) {
			return
		}
	}
}

// forward says whether the connection goes on.
func (l *link) forward(ctx context.Context, data []byte, to net.Conn) bool {
	f, struck := l.draw(l.config.Odds, Delay, Refuse)
	if !struck {
		_, err := to.Write(data)
		return err == nil
	}
	switch f {
	case Slice:
		return l.slice(ctx, data, to)
	case Cut:
		_, _ = to.Write(data[:len(data)/2]) // it ends anyway
		_, _ = l.client.Close(), l.server.Close()
		return false
	case Reset:
		reset(l.client)
		reset(l.server)
		return false
	case Swallow:
		l.deaf.Store(true)
		return true
	default:
		l.late(ctx)
		_, err := to.Write(data)
		return err == nil
	}
}

func (l *link) slice(ctx context.Context, data []byte, to net.Conn) bool {
	const pieces = 5
	for size := len(data)/pieces + 1; len(data) > 0; {
		n := min(size, len(data))
		if _, err := to.Write(data[:n]); err != nil {
			return false
		}
		data = data[n:]
		l.late(ctx)
	}
	return true
}

// reset has the other side see "connection reset by peer" instead of an end.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // else it ends in good order
	}
	_ = c.Close()
}

package postgres_test

import (
	"bytes"
	"net"
	"net/url"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// fault is what a proxy does to the connection over which the next commit comes.
type fault int

const (
	none    fault = iota
	cut           // the server never gets the commit
	swallow       // the server gets it, and the client never learns
	freeze        // what the server says to the first trip goes nowhere, and both sides stay connected
	half          // the server gets all but the commit, and both sides stay connected
)

// proxy stands between a store and the server.
type proxy struct {
	listener net.Listener
	server   string
	all      sync.WaitGroup

	mu    sync.Mutex
	next  fault
	conns []net.Conn
	hits  int // faults that happened: a test whose fault never did has tested nothing
}

func newProxy(tb testing.TB, port int) *proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	p := &proxy{listener: l, server: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	p.all.Go(p.accept)
	tb.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.all.Wait()
	})
	return p
}

// url goes by way of the proxy over one connection, whose statements come with their texts.
func (p *proxy) url(tb testing.TB, direct string) string {
	tb.Helper()
	u, err := url.Parse(direct)
	require.NoError(tb, err)
	u.Host = p.listener.Addr().String()
	return u.String() + "&pool_max_conns=1&default_query_exec_mode=cache_describe"
}

// arm has the next transaction meet a fault.
func (p *proxy) arm(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = f
}

func (p *proxy) struck() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			return
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		link := &link{proxy: p, client: client, server: server}
		p.all.Go(link.up)
		p.all.Go(link.down)
	}
}

// link is a connection through the proxy.
type link struct {
	*proxy

	client, server net.Conn

	mu    sync.Mutex
	fault fault
}

// strikes says what happens to a message, once.
func (l *link) strikes(message []byte) fault {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	trigger := []byte("COMMIT\x00")
	if l.next == freeze {
		trigger = []byte("FOR NO KEY UPDATE\x00")
	}
	if l.next == none || !bytes.Contains(message, trigger) {
		return none
	}
	f := l.next
	l.next = none
	l.hits++
	return f
}

func (l *link) up() {
	buffer := make([]byte, 1<<20)
	for {
		n, err := l.client.Read(buffer)
		if err != nil {
			if !l.is(freeze) && !l.is(half) { // else the server does not hear that the client is gone
				_ = l.server.Close()
			}
			return
		}
		f := l.strikes(buffer[:n])
		if f == cut {
			_, _ = l.client.Close(), l.server.Close()
			return
		}
		if f == half {
			_, _ = l.server.Write(buffer[:bytes.Index(buffer[:n], []byte("COMMIT\x00"))])
			n = 0
		}
		if f != none {
			l.mu.Lock()
			l.fault = f
			l.mu.Unlock()
		}
		if f == none && (l.is(freeze) || l.is(half)) {
			continue // a good-bye, too, is not heard
		}
		if _, err := l.server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (l *link) is(f fault) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fault == f
}

func (l *link) down() {
	defer l.client.Close()
	buffer := make([]byte, 1<<16)
	for {
		n, err := l.server.Read(buffer)
		if err != nil {
			return
		}
		if l.is(swallow) {
			return // the answer is there, so the commit is
		}
		if l.is(freeze) || l.is(half) {
			continue
		}
		if _, err := l.client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

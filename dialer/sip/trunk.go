package sip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

const (
	keepNames     = time.Minute      // a record's own time to live is not to be had from net.Resolver
	lookupTime    = 5 * time.Second  // how long a look-up may take
	restSilent    = 30 * time.Second // how long a server rests that nothing was heard of
	forgetServers = time.Hour        // after which a server is none any more that the name did not stand for
)

// trunk is a Trunk and what is known of its servers. It is safe for concurrent use.
type trunk struct {
	Trunk

	resolver Resolver
	peers    *peers

	mu       sync.Mutex
	servers  []server
	resolved time.Time
	states   map[netip.AddrPort]*state
}

// state is what is known of one server.
type state struct {
	remove    func() // from the peers
	seen      time.Time
	restUntil time.Time
	silent    bool // it rests because nothing was heard
	heard     time.Time
	answers   bool // it has answered an OPTIONS before
	dead      bool // it does no more
}

func newTrunk(t Trunk, r Resolver, p *peers) *trunk {
	return &trunk{Trunk: t, resolver: r, peers: p, states: map[netip.AddrPort]*state{}}
}

// hops returns the trunk's servers in the order in which one call is to try them.
func (t *trunk) hops(ctx context.Context) ([]hop, error) {
	servers, err := t.known(ctx)
	if err != nil {
		return nil, err
	}
	var hops []hop
	for _, s := range inTurn(servers, randomly) {
		for _, addr := range s.addrs {
			hops = append(hops, t.hop(netip.AddrPortFrom(addr, s.port)))
		}
	}
	if len(hops) == 0 {
		return nil, errNoServer
	}
	return hops, nil
}

func (t *trunk) hop(remote netip.AddrPort) hop {
	return hop{transport: t.Transport, remote: remote, name: t.Host, tls: t.TLS}
}

// known looks the servers up, unless that was done a short while ago. What was known before
// serves as long as the look-up fails.
func (t *trunk) known(ctx context.Context) ([]server, error) {
	t.mu.Lock()
	servers, age := t.servers, time.Since(t.resolved)
	t.mu.Unlock()
	if servers != nil && age < keepNames {
		return servers, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	found, err := resolve(ctx, t.resolver, t.Transport, t.Host, t.Port)
	if err != nil {
		if servers != nil {
			return servers, nil
		}
		return nil, err
	}
	t.learn(found)
	return found, nil
}

// learn lets the servers send to us, and forgets those that have been none for long.
func (t *trunk) learn(servers []server) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.servers, t.resolved = servers, time.Now()
	for _, s := range servers {
		for _, addr := range s.addrs {
			t.state(netip.AddrPortFrom(addr, s.port))
		}
	}
	for remote, s := range t.states {
		if time.Since(s.seen) > forgetServers {
			s.remove()
			delete(t.states, remote)
		}
	}
}

// state is called with the lock held.
func (t *trunk) state(remote netip.AddrPort) *state {
	s := t.states[remote]
	if s == nil {
		s = &state{remove: t.peers.add(remote.Addr())}
		t.states[remote] = s
	}
	s.seen = time.Now()
	return s
}

// resting says how long the server still takes no calls; 0: it does.
func (t *trunk) resting(remote netip.AddrPort) (time.Duration, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state(remote)
	if s.dead {
		return t.KeepAlive, errors.New("it does not answer OPTIONS")
	}
	if left := time.Until(s.restUntil); left > 0 {
		return left, fmt.Errorf("it has a rest for %v", left.Round(time.Second))
	}
	return 0, nil
}

// rest keeps calls from the server for a time: because it said so, or because nothing was
// heard of it.
func (t *trunk) rest(remote netip.AddrPort, d time.Duration, silent bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state(remote)
	s.restUntil, s.silent = time.Now().Add(d), silent
}

// restIfSilent rests a server that nothing was heard of since then. One that answers others has lost
// a message, and takes calls.
func (t *trunk) restIfSilent(remote netip.AddrPort, since time.Time) {
	t.mu.Lock()
	heard := t.state(remote).heard
	t.mu.Unlock()
	if heard.Before(since) {
		t.rest(remote, restSilent, true)
	}
}

// heard notes that the server has answered something.
func (t *trunk) heard(remote netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state(remote)
	s.heard = time.Now()
	s.isThere()
}

// isThere ends a rest that was for silence, and no other.
func (s *state) isThere() {
	s.dead = false
	if s.silent {
		s.restUntil, s.silent = time.Time{}, false
	}
}

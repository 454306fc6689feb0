package sip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	keepNames     = time.Minute      // a record's own time to live is not to be had from net.Resolver
	lookupTime    = 5 * time.Second  // how long a look-up may take
	restSilent    = 30 * time.Second // how long a server rests that nothing was heard of, at first
	withoutTCP    = 5 * time.Minute  // how long a UDP server is not asked again for TCP that had none
	forgetServers = time.Hour        // after which a server is none any more that the name did not stand for
)

// trunk is a Trunk and what is known of its servers. It is safe for concurrent use.
type trunk struct {
	Trunk

	host     string // where requests go: the proxy's, else Host
	port     int
	account  *account
	inside   *account // the same for requests in calls: who refuses those need not be who takes calls
	resolver Resolver
	peers    *peers

	mu       sync.Mutex
	servers  []server
	resolved time.Time
	states   map[netip.AddrPort]*state
}

// state is what is known of one server.
type state struct {
	remove    func()    // from the peers
	wanted    time.Time // when it was asked for last
	restUntil time.Time
	silent    bool // it rests because nothing was heard
	heard     time.Time
	answers   bool // it has answered an OPTIONS before
	dead      bool // it does no more
	silences  int  // times in a row that nothing was heard
	noTCP     time.Time
	told      string // how it is told to reach us
	seen      string // where it says that we are
}

func newTrunk(t Trunk, r Resolver, p *peers) *trunk {
	host, port := t.target()
	return &trunk{
		Trunk: t, host: host, port: port, resolver: r, peers: p, states: map[netip.AddrPort]*state{},
		account: &account{rest: t.AuthRest}, inside: &account{rest: t.AuthRest, isTaken: true},
	}
}

// target is where requests go: to the proxy, if there is one. It has been checked that it can be read.
func (t *Trunk) target() (host string, port int) {
	if t.Proxy == "" {
		return t.Host, t.Port
	}
	host, port, _ = splitHostPort(t.Proxy)
	return host, port
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
	return hop{transport: t.Transport, remote: remote, name: t.host, tls: t.TLS, patience: t.ConnectTimeout}
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
	found, err := resolve(ctx, t.resolver, t.Transport, t.host, t.port)
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
		if time.Since(s.wanted) > forgetServers {
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
	s.wanted = time.Now()
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

// restIfSilent rests a server that nothing was heard of since then, and longer each time. One that answers
// others has lost a message, and takes calls.
func (t *trunk) restIfSilent(remote netip.AddrPort, since time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state(remote)
	if !s.heard.Before(since) || time.Now().Before(s.restUntil) {
		return
	}
	const mostDoublings = 10
	rest := restSilent << min(s.silences, mostDoublings)
	s.silences++
	s.restUntil, s.silent = time.Now().Add(max(restSilent, min(rest, t.MaxRest))), true
}

// restAsAsked rests a server for as long as its Retry-After says, within reason, and returns that time.
func (t *trunk) restAsAsked(remote netip.AddrPort, retryAfter string, second time.Duration) time.Duration {
	seconds, ok := secondsOf(retryAfter)
	if !ok || seconds == 0 || t.MaxRest < 0 {
		return 0
	}
	after := min(time.Duration(seconds)*second, t.MaxRest)
	t.rest(remote, after, false)
	return after
}

// credentials are those for one call.
func (t *trunk) credentials() *credentials {
	return &credentials{user: t.User, secret: t.Secret, realms: t.Realms}
}

// hasNoTCP says whether the server refused TCP a short while ago, or was silent.
func (t *trunk) hasNoTCP(remote netip.AddrPort) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.state(remote).noTCP) < withoutTCP
}

func (t *trunk) noteNoTCP(remote netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state(remote).noTCP = time.Now()
}

// knows says whether the address is a server of the trunk.
func (t *trunk) knows(remote netip.AddrPort) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.states[remote] != nil
}

// isOwn says whether the trunk's own name stands for the address, as it was looked up last.
func (t *trunk) isOwn(remote netip.AddrPort) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.servers {
		if s.port == remote.Port() && slices.Contains(s.addrs, remote.Addr()) {
			return true
		}
	}
	return false
}

// heard notes that the server has answered something.
func (t *trunk) heard(remote netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state(remote)
	s.heard, s.silences = time.Now(), 0
	s.isThere()
}

// isThere ends a rest that was for silence, and no other.
func (s *state) isThere() {
	s.dead = false
	if s.silent {
		s.restUntil, s.silent = time.Time{}, false
	}
}

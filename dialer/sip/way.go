package sip

import (
	"context"
	"net/netip"
	"strings"
	"time"

	msg "github.com/emiago/sipgo/sip"
)

// wayTo finds the flow to the next hop, and remembers it.
func (g *dialog) wayTo(ctx context.Context, next msg.Uri) (*flow, error) {
	home := g.home()
	if g.staysHome() {
		return g.reopened(ctx, home)
	}
	if f := g.knownWay(next); f != nil {
		return f, nil
	}
	f, err := g.find(ctx, next, home)
	if err != nil { // a Contact that leads nowhere, which is common
		return g.reopened(ctx, home)
	}
	g.mu.Lock()
	g.way, g.wayFlow = next, f
	g.mu.Unlock()
	if f != home && home.lost() {
		g.settle(f)
	}
	return f, nil
}

// staysHome says whether requests go where the INVITE went: as configured, or because the peer has named nothing else.
func (g *dialog) staysHome() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.t.SameAddress || !g.named && len(g.routes) == 0
}

// knownWay is the flow to the next hop where nothing has to be looked up or opened; nil: it is not known.
func (g *dialog) knownWay(next msg.Uri) *flow {
	home := g.home()
	if g.staysHome() && !home.lost() {
		return home
	}
	g.mu.Lock()
	f := g.wayFlow
	known := f != nil && g.way.String() == next.String() && !f.lost()
	g.mu.Unlock()
	if known {
		return f
	}
	transport := g.transportTo(next)
	addr, err := netip.ParseAddr(strings.Trim(next.Host, "[]"))
	if err != nil || home.lost() {
		return nil // it has to be looked up, or opened
	}
	if !isHome(home, transport, netip.AddrPortFrom(addr.Unmap(), portOr(next.Port, transport))) {
		return nil
	}
	return home
}

// isHome says whether the flow leads there. A connection to a host serves all of it.
func isHome(home *flow, t Transport, remote netip.AddrPort) bool {
	return t == home.transport && (remote == home.remote || t != UDP && remote.Addr() == home.remote.Addr())
}

// home is the flow that the INVITE left by: one to a peer's host serves all of it, and where the peer's
// Contact cannot be reached, the connection can.
func (g *dialog) home() *flow {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.flow
}

// settle makes a flow the one that the peer is to reach us by.
func (g *dialog) settle(f *flow) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flow = f
	select {
	case g.moved <- f:
	default:
	}
}

// reopened is home, or another connection to the same place where that is lost: a connection is no dialog
// (RFC 3261, section 18).
func (g *dialog) reopened(ctx context.Context, home *flow) (*flow, error) {
	if !home.lost() {
		return home, nil
	}
	f, err := g.c.d.flows.to(ctx, g.hopTo(home.transport, home.remote, g.t.host))
	if err != nil {
		return nil, err
	}
	g.hold(f)
	g.settle(f)
	return f, nil
}

func (g *dialog) hopTo(t Transport, remote netip.AddrPort, name string) hop {
	return hop{transport: t, remote: remote, name: name, tls: g.t.TLS, patience: g.t.ConnectTimeout}
}

func (g *dialog) find(ctx context.Context, next msg.Uri, home *flow) (*flow, error) {
	transport := g.transportTo(next)
	remote, err := g.addressOf(ctx, next, transport)
	if err != nil {
		return nil, err
	}
	if isHome(home, transport, remote) {
		return g.reopened(ctx, home)
	}
	g.allow(remote.Addr())
	f, err := g.c.d.flows.to(ctx, g.hopTo(transport, remote, g.nameFor(next, remote, home)))
	if err != nil {
		return nil, err
	}
	g.hold(f)
	return f, nil
}

// prepare finds the way while the phone rings: a name has to be looked up, a connection opened.
func (g *dialog) prepare() {
	next, _, _ := g.routed()
	if g.knownWay(next) != nil {
		return
	}
	g.c.d.work.background(func(ctx context.Context) {
		g.wayTo(ctx, next) //nolint:errcheck,gosec // it is tried again when it is needed
	})
}

// hold keeps a connection that the dialog uses: the peer may reach us by no other.
func (g *dialog) hold(f *flow) {
	f.hold()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keep(f.release)
}

// nameFor is whose certificate is expected: the trunk's at the trunk's own address.
func (g *dialog) nameFor(next msg.Uri, remote netip.AddrPort, home *flow) string {
	if remote == home.remote {
		return g.t.host
	}
	return strings.Trim(next.Host, "[]")
}

func (g *dialog) addressOf(ctx context.Context, next msg.Uri, t Transport) (netip.AddrPort, error) {
	if addr, err := netip.ParseAddr(strings.Trim(next.Host, "[]")); err == nil {
		return netip.AddrPortFrom(addr.Unmap(), portOr(next.Port, t)), nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	addr, err := lookup(ctx, g.c.d.config.Resolver, next.Host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(addr, portOr(next.Port, t)), nil
}

// transportTo is what the URI says, else what the trunk uses: many peers leave it out.
func (g *dialog) transportTo(next msg.Uri) Transport {
	named, _ := next.UriParams.Get("transport")
	switch t := Transport(strings.ToLower(named)); {
	case next.Scheme == "sips":
		return TLS
	case t == UDP, t == TCP, t == TLS:
		return t
	}
	return g.t.Transport
}

// allow lets the address send to us as long as the dialog is there.
func (g *dialog) allow(addr netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.allowHeld(addr)
}

func (g *dialog) allowHeld(addr netip.Addr) {
	if g.admitted[addr] {
		return
	}
	if g.admitted == nil {
		g.admitted = map[netip.Addr]bool{}
	}
	g.admitted[addr] = true
	g.keep(g.c.d.peers.add(addr))
}

// keep has release called when nothing can come any more for the dialog. It is called with the lock held. For a
// dialog that is in the past already, whose BYE is still on its way, that is in 64*T1.
func (g *dialog) keep(release func()) {
	if g.past {
		time.AfterFunc(transactionTime(), release)
		return
	}
	g.removes = append(g.removes, release)
}

// given hands over what takes back what allow did.
func (g *dialog) given() []func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	removes := g.removes
	g.removes, g.past = nil, true
	return removes
}

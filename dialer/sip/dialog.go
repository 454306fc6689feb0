package sip

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"

	msg "github.com/emiago/sipgo/sip"
)

// dialog is what we share with one user agent at the far end (RFC 3261, section 12): early while the
// phone rings, confirmed by the answer. It is safe for concurrent use.
type dialog struct {
	c        *call
	t        *trunk
	flow     *flow // that the INVITE left by
	cred     *credentials
	from     *msg.FromHeader // us
	to       *msg.ToHeader   // with the far end's tag
	tag      string
	ended    chan struct{} // closed when it is over
	offering chan struct{} // holds a token while an offer is under way, of ours or of theirs

	mu        sync.Mutex
	target    msg.Uri
	routes    []msg.Uri
	seq       uint32 // of our last request
	remoteSeq uint32 // of theirs
	reliable  uint64 // RSeq of the last reliable provisional response
	early     []byte // description of a provisional response
	update    bool   // they know UPDATE
	over      bool   // BYE was sent or received
	way       msg.Uri
	wayFlow   *flow
	acks      chan *msg.Request // ACKs to our answers to re-INVITEs
	removes   []func()
}

func newDialog(inv *invite, res *msg.Response) *dialog {
	g := &dialog{
		c: inv.c, t: inv.t, flow: inv.flow, cred: inv.cred, tag: toTag(res),
		from: clone(inv.req.From()), to: clone(inv.req.To()),
		target: *inv.req.Recipient.Clone(), seq: inv.req.CSeq().SeqNo, acks: make(chan *msg.Request, 1),
		ended: make(chan struct{}), offering: make(chan struct{}, 1),
	}
	if g.tag != "" {
		g.to.Params.Add("tag", g.tag)
	}
	g.refresh(res)
	return g
}

func clone[H msg.Header](h H) H {
	c, _ := msg.HeaderClone(h).(H)
	return c
}

// refresh takes over from a response to the INVITE where requests go: RFC 3261, section
// 12.1.2. The final one may differ from the provisional one (section 13.2.2.4).
func (g *dialog) refresh(res *msg.Response) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.routes = nil
	for _, h := range slices.Backward(res.GetHeaders("record-route")) {
		if rr, ok := h.(*msg.RecordRouteHeader); ok && usable(rr.Address) {
			g.routes = append(g.routes, *rr.Address.Clone())
		}
	}
	g.retarget(res)
	g.update = g.update || hasToken(header(res, "allow"), "UPDATE")
}

// retarget is called with the lock held.
func (g *dialog) retarget(m interface{ Contact() *msg.ContactHeader }) {
	if contact := m.Contact(); contact != nil && usable(contact.Address) {
		g.target = *contact.Address.Clone()
		g.target.Headers = nil
	}
}

// usable says whether requests can be sent there.
func usable(uri msg.Uri) bool {
	isSIP := uri.Scheme == "sip" || uri.Scheme == "sips"
	text := uri.String()
	return isSIP && uri.Host != "" && !uri.Wildcard && checkValue(text) == nil && !strings.ContainsAny(text, " \t<>\"")
}

// request makes the next request in the dialog, and finds the way for it.
func (g *dialog) request(ctx context.Context, method msg.RequestMethod) (*msg.Request, *flow, error) {
	g.mu.Lock()
	g.seq++
	seq := g.seq
	g.mu.Unlock()
	return g.numbered(ctx, method, seq)
}

// numbered makes a request with the route set of RFC 3261, section 12.2.1.1.
func (g *dialog) numbered(ctx context.Context, method msg.RequestMethod, seq uint32) (*msg.Request, *flow, error) {
	g.mu.Lock()
	target, routes := g.target, g.routes
	g.mu.Unlock()
	next := target
	if len(routes) > 0 {
		next = routes[0]
		if !next.UriParams.Has("lr") { // a strict router takes itself for the target
			routes = append(slices.Clone(routes[1:]), target)
			target = *next.Clone()
			target.Headers = nil
		}
	}
	f, err := g.wayTo(ctx, next)
	if err != nil {
		return nil, nil, err
	}
	req := msg.NewRequest(method, target)
	req.AppendHeader(f.via())
	for _, route := range routes {
		req.AppendHeader(&msg.RouteHeader{Address: route})
	}
	req.AppendHeader(maxForwards())
	req.AppendHeader(clone(g.from))
	req.AppendHeader(clone(g.to))
	id := msg.CallIDHeader(g.c.id)
	req.AppendHeader(&id)
	req.AppendHeader(&msg.CSeqHeader{SeqNo: seq, MethodName: method})
	req.AppendHeader(msg.NewHeader("User-Agent", g.c.d.config.UserAgent))
	f.carry(req)
	return req, f, nil
}

// wayTo finds the flow to the next hop, and remembers it.
func (g *dialog) wayTo(ctx context.Context, next msg.Uri) (*flow, error) {
	if g.t.SameAddress && !g.flow.lost() {
		return g.flow, nil
	}
	g.mu.Lock()
	f := g.wayFlow
	known := f != nil && g.way.String() == next.String() && !f.lost()
	g.mu.Unlock()
	if known {
		return f, nil
	}
	f, err := g.find(ctx, next)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	g.way, g.wayFlow = next, f
	g.mu.Unlock()
	return f, nil
}

// find prefers the connection that the INVITE left by: one to a peer's host serves all of
// it, and where its Contact cannot be reached, the connection can.
func (g *dialog) find(ctx context.Context, next msg.Uri) (*flow, error) {
	transport := g.transportTo(next)
	remote, err := g.addressOf(ctx, next, transport)
	mine := g.flow
	switch {
	case err != nil:
	case transport == mine.transport && !mine.lost() &&
		(remote == mine.remote || transport != UDP && remote.Addr() == mine.remote.Addr()):
		return mine, nil
	default:
		g.allow(remote.Addr())
		var f *flow
		if f, err = g.c.d.flows.to(ctx, hop{transport, remote, g.nameFor(next, remote), g.t.TLS}); err == nil {
			return f, nil
		}
	}
	if !mine.lost() {
		return mine, nil
	}
	return nil, err
}

// nameFor is whose certificate is expected: the trunk's at the trunk's own address.
func (g *dialog) nameFor(next msg.Uri, remote netip.AddrPort) string {
	if remote == g.flow.remote {
		return g.t.Host
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
	remove := g.c.d.peers.add(addr)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.removes = append(g.removes, remove)
}

// given hands over what takes back what allow did.
func (g *dialog) given() []func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	removes := g.removes
	g.removes = nil
	return removes
}

// send sends a request other than INVITE, again with credentials if it is challenged, and
// returns the final response.
func (g *dialog) send(
	ctx context.Context, method msg.RequestMethod, complete func(*msg.Request, *flow),
) (*msg.Response, error) {
	for range mostTries + 1 {
		req, f, err := g.request(ctx, method)
		if err != nil {
			return nil, err
		}
		complete(req, f)
		if req.Body() == nil {
			req.SetBody(nil)
		}
		if err := g.cred.apply(req); err != nil {
			return nil, err
		}
		res, err := g.c.d.stack.transact(ctx, f, req)
		if err != nil {
			return nil, err
		}
		if !isChallenge(res) {
			g.cred.taken()
			return res, nil
		}
		if !g.cred.learn(res) {
			return res, nil
		}
	}
	return nil, errors.New("it is challenged again and again")
}

func isChallenge(res *msg.Response) bool {
	return res.StatusCode == msg.StatusUnauthorized || res.StatusCode == msg.StatusProxyAuthRequired
}

// acknowledge sends the ACK of an answer to the INVITE (RFC 3261, section 13.2.2.4), and keeps it
// for when the answer comes again.
func (g *dialog) acknowledge(ctx context.Context, inv *invite) {
	req, f, err := g.numbered(ctx, msg.ACK, inv.req.CSeq().SeqNo)
	if err != nil {
		g.c.d.log.Warn("no way for an ACK", "trunk", g.t.Name, "call", g.c.in.ID, "error", err)
		return
	}
	copyCredentials(inv.req, req)
	req.SetBody(nil)
	ack := &acked{f, wire(req)}
	inv.mu.Lock()
	inv.remember(g.tag, ack)
	inv.mu.Unlock()
	g.c.d.deliver(f, inv.hop, ack.raw)
}

// hangUp sends a BYE and waits for the answer to it.
func (g *dialog) hangUp(ctx context.Context) {
	if !g.end() {
		return
	}
	var err error
	for range 2 { // once more where the connection turns out to be gone
		if _, err = g.send(ctx, msg.BYE, func(*msg.Request, *flow) {}); !errors.Is(err, errLost) {
			break
		}
	}
	if err != nil {
		g.c.d.log.Warn("a BYE was not answered", "trunk", g.t.Name, "call", g.c.in.ID, "error", err)
	}
}

// end notes that the dialog is over, and says whether that is news.
func (g *dialog) end() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return false
	}
	g.over = true
	close(g.ended)
	return true
}

func (g *dialog) isOver() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.over
}

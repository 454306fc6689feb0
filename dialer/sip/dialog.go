package sip

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer"
)

// dialog is what we share with one user agent at the far end (RFC 3261, section 12): early while the
// phone rings, confirmed by the answer. It is safe for concurrent use.
type dialog struct {
	c        *call
	t        *trunk
	cred     *credentials
	from     *msg.FromHeader // us
	to       *msg.ToHeader   // with the far end's tag
	tag      string
	ended    chan struct{} // closed when it is over
	acked    chan struct{} // closed when the answer to the INVITE was acknowledged, or could not be
	moved    chan *flow    // holds the connection that took the place of a lost one
	isAcked  sync.Once
	offering chan struct{}  // holds a token while an offer is under way, of ours or of theirs
	numbers  *atomic.Uint32 // of our last request; those of one tag share it, as a PRACK may leave while we hang up

	mu        sync.Mutex
	flow      *flow // that the INVITE left by, or what took its place
	ackedAt   time.Time
	because   dialer.EndReason // why we hang up
	target    msg.Uri
	named     bool // the peer has named it
	routes    []msg.Uri
	remoteSeq uint32 // of theirs
	ackSeq    uint32 // of the re-INVITE whose answer awaits an ACK
	reliable  uint64 // RSeq of the last reliable provisional response
	early     []byte // description from before the answer
	agreed    bool   // both sides keep to it
	update    bool   // they know UPDATE
	over      bool   // BYE was sent or received
	way       msg.Uri
	wayFlow   *flow
	acks      chan *msg.Request // ACKs to our answers to re-INVITEs
	removes   []func()
	admitted  map[netip.Addr]bool // what removes take back
	past      bool                // they have been handed over
}

func newDialog(inv *invite, res *msg.Response) *dialog {
	g := &dialog{
		c: inv.c, t: inv.t, flow: inv.flow, cred: inv.cred, tag: toTag(res),
		from: clone(inv.req.From()), to: clone(inv.req.To()),
		target: *inv.req.Recipient.Clone(), numbers: &atomic.Uint32{}, acks: make(chan *msg.Request, 1),
		ended: make(chan struct{}), offering: make(chan struct{}, 1), acked: make(chan struct{}), moved: make(chan *flow, 1),
	}
	g.numbers.Store(inv.req.CSeq().SeqNo)
	if g.tag != "" {
		g.to.Params.Add("tag", g.tag)
	}
	g.refresh(res)
	return g
}

// follow counts on from the early dialog of the same tag, in which a PRACK may have left (RFC 3261, section 12.2.1.1),
// and takes over what that has taken.
func (g *dialog) follow(c *call) {
	if numbers := c.numbers(g.tag); numbers != nil {
		for n := numbers.Load(); n < g.numbers.Load() && !numbers.CompareAndSwap(n, g.numbers.Load()); {
			n = numbers.Load()
		}
		g.numbers = numbers
	}
	early := c.dialog(g.tag)
	if early == nil || c.isActive(early) {
		return
	}
	removes := early.given()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.removes = append(g.removes, removes...)
}

func clone[H msg.Header](h H) H {
	c, _ := msg.HeaderClone(h).(H)
	return c
}

// refresh takes over from a response to the INVITE where requests go: RFC 3261, section
// 12.1.2. The final one may differ from the provisional one (section 13.2.2.4).
func (g *dialog) refresh(res *msg.Response) {
	g.learn(res)
	if res.IsProvisional() {
		g.prepare()
	}
}

func (g *dialog) learn(res *msg.Response) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.routes = nil
	for _, h := range slices.Backward(res.GetHeaders("record-route")) {
		if rr, ok := h.(*msg.RecordRouteHeader); ok && usable(rr.Address) {
			g.routes = append(g.routes, *rr.Address.Clone())
			g.admit(rr.Address)
		}
	}
	g.retarget(res)
	g.update = g.update || hasToken(header(res, "allow"), "UPDATE")
}

// retarget is called with the lock held.
func (g *dialog) retarget(m interface{ Contact() *msg.ContactHeader }) {
	if contact := m.Contact(); contact != nil && usable(contact.Address) {
		g.target, g.named = *contact.Address.Clone(), true
		g.target.Headers = nil
		g.admit(g.target)
	}
}

// admit lets whom a message names by address send to us, even where nothing goes there: the call's own server may
// have its BYE sent by another. It is called with the lock held.
func (g *dialog) admit(uri msg.Uri) {
	addr, err := netip.ParseAddr(strings.Trim(uri.Host, "[]"))
	if err == nil && addr.Unmap() != g.flow.remote.Addr() { // who may already
		g.allowHeld(addr)
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
	return g.numbered(ctx, method, g.numbers.Add(1))
}

// numbered makes a request with the route set of RFC 3261, section 12.2.1.1.
func (g *dialog) numbered(ctx context.Context, method msg.RequestMethod, seq uint32) (*msg.Request, *flow, error) {
	next, target, routes := g.routed()
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

// routed says where a request goes first, what its Request-URI is, and its Routes.
func (g *dialog) routed() (next, target msg.Uri, routes []msg.Uri) {
	g.mu.Lock()
	target, routes = g.target, g.routes
	g.mu.Unlock()
	next = target
	if len(routes) > 0 {
		next = routes[0]
		if !next.UriParams.Has("lr") { // a strict router takes itself for the target
			routes = append(slices.Clone(routes[1:]), target)
			target = *next.Clone()
			target.Headers = nil
		}
	}
	return next, target, routes
}

// send sends a request other than INVITE, again with credentials if it is challenged, and
// returns the final response.
func (g *dialog) send(
	ctx context.Context, method msg.RequestMethod, complete func(*msg.Request, *flow),
) (*msg.Response, error) {
	p := proof{g: g, beside: method == msg.PRACK}
	defer p.end()
	for {
		req, f, err := g.request(ctx, method)
		if err != nil {
			return nil, err
		}
		complete(req, f)
		if req.Body() == nil {
			req.SetBody(nil)
		}
		if err := p.apply(req); err != nil {
			return nil, err
		}
		res, err := g.c.d.stack.transact(ctx, f, req)
		if err != nil {
			return nil, err
		}
		if !p.again(ctx, res) {
			return res, nil
		}
	}
}

func isChallenge(res *msg.Response) bool {
	return res.StatusCode == msg.StatusUnauthorized || res.StatusCode == msg.StatusProxyAuthRequired
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

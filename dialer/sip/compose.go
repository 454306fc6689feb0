package sip

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	msg "github.com/emiago/sipgo/sip"
)

// largest is how many bytes go over UDP where nothing is known of the way: RFC 3261, section 18.1.1.
const largest = 1300

// uriHost writes an IPv6 address as URIs have it.
func uriHost(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
		return "[" + host + "]"
	}
	return host
}

// compose makes the next INVITE of an attempt, with credentials if it was challenged.
func (c *call) compose(a *attempt, f *flow) (*invite, error) {
	c.seq++
	req := msg.NewRequest(msg.INVITE, a.uri)
	req.AppendHeader(f.via())
	id := msg.CallIDHeader(c.id)
	req.AppendHeader(&id) // so early that it is in what the system quotes of a datagram that reached nobody
	a.t.route(req)
	req.AppendHeader(maxForwards())
	req.AppendHeader(c.caller(a.t))
	req.AppendHeader(&msg.ToHeader{Address: c.callee(a.t)})
	req.AppendHeader(&msg.CSeqHeader{SeqNo: c.seq, MethodName: msg.INVITE})
	req.AppendHeader(c.contact(a.t, f))
	c.describe(req, a.t)
	c.identify(req, a.t)
	askFor(req, a.interval, a.least, "")
	for _, name := range slices.Sorted(maps.Keys(c.values)) {
		req.AppendHeader(msg.NewHeader(name, c.values[name]))
	}
	if name := c.d.config.CallHeader; name != "" {
		req.AppendHeader(msg.NewHeader(name, c.in.ID))
	}
	setSDP(req, c.offer) // first: a digest may be of the body, too
	if err := a.cred.apply(req); err != nil {
		return nil, err
	}
	f.carry(req)
	return c.newInvite(a, a.hop, f, req), nil
}

func (c *call) newInvite(a *attempt, h hop, f *flow, req *msg.Request) *invite {
	inv := &invite{c: c, t: a.t, hop: h, flow: f, req: req, raw: wire(req), cred: a.cred}
	if f.transport == UDP {
		inv.bounced = make(chan struct{}, 1)
	}
	return inv
}

// describe says what we can do.
func (c *call) describe(req *msg.Request, t *trunk) {
	req.AppendHeader(msg.NewHeader("Allow", allowed))
	req.AppendHeader(msg.NewHeader("Supported", supported))
	req.AppendHeader(msg.NewHeader("User-Agent", c.d.config.UserAgent))
	if t.Private {
		req.AppendHeader(msg.NewHeader("Privacy", "id"))
	}
}

// askFor asks for a session timer, or keeps to the one that runs.
func askFor(req msg.Message, interval, least uint32, refresher string) {
	if interval == 0 {
		return
	}
	value := strconv.FormatUint(uint64(interval), 10)
	if refresher != "" {
		value += ";refresher=" + refresher
	}
	req.AppendHeader(msg.NewHeader("Session-Expires", value))
	if least > 0 {
		req.AppendHeader(msg.NewHeader("Min-SE", strconv.FormatUint(uint64(least), 10)))
	}
}

// enlarge moves an INVITE to TCP that is too large for UDP. Where there is no TCP, it goes over UDP all the
// same (RFC 3261, section 18.1.1): many servers that take UDP only do not even refuse a connection, so
// this is not waited for long, and says nothing about the server.
func (c *call) enlarge(ctx context.Context, a *attempt, small *invite) *invite {
	const patience = time.Second
	if a.t.hasNoTCP(a.hop.remote) {
		return small
	}
	tcp := a.hop
	tcp.transport = TCP
	connecting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	f, err := c.d.flows.to(connecting, tcp)
	if err != nil {
		if ctx.Err() == nil {
			a.t.noteNoTCP(a.hop.remote)
		}
		return small
	}
	req := msg.NewRequest(msg.INVITE, a.uri)
	for _, h := range small.req.Headers() {
		switch h.(type) {
		case *msg.ViaHeader:
			req.AppendHeader(f.via())
		case *msg.ContactHeader:
			req.AppendHeader(c.contact(a.t, f))
		default:
			req.AppendHeader(h)
		}
	}
	req.SetBody(small.req.Body())
	f.carry(req)
	return c.newInvite(a, tcp, f, req)
}

package sip

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	msg "github.com/emiago/sipgo/sip"
)

// largest is how many bytes go over UDP where nothing is known of the way: RFC 3261, section 18.1.1.
const largest = 1300

// callee is the Request-URI of a call over the trunk.
func (c *call) callee(t *trunk) msg.Uri {
	return msg.Uri{Scheme: scheme(t.Secure), User: t.Prefix + t.number(string(c.in.To)), Host: uriHost(t.Domain)}
}

func (t *trunk) number(s string) string {
	if t.WithoutPlus {
		return strings.TrimPrefix(s, "+")
	}
	return s
}

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
	req.AppendHeader(maxForwards())
	req.AppendHeader(c.caller(a.t))
	req.AppendHeader(&msg.ToHeader{Address: c.callee(a.t)})
	id := msg.CallIDHeader(c.id)
	req.AppendHeader(&id)
	req.AppendHeader(&msg.CSeqHeader{SeqNo: c.seq, MethodName: msg.INVITE})
	req.AppendHeader(c.contact(a.t, f))
	c.describe(req, a.t)
	c.identify(req, a.t)
	askFor(req, a.interval, a.least, "")
	for _, name := range slices.Sorted(maps.Keys(c.values)) {
		req.AppendHeader(msg.NewHeader(name, c.values[name]))
	}
	if err := a.cred.apply(req); err != nil {
		return nil, err
	}
	setSDP(req, c.offer)
	f.carry(req)
	return &invite{c: c, t: a.t, hop: a.hop, flow: f, req: req, raw: wire(req), cred: a.cred}, nil
}

// caller is the From of the call.
func (c *call) caller(t *trunk) *msg.FromHeader {
	from := &msg.FromHeader{
		DisplayName: quoted(t.DisplayName),
		Address:     msg.Uri{Scheme: scheme(t.Secure), User: t.number(string(c.in.From)), Host: uriHost(t.Domain)},
	}
	if t.Private { // RFC 3323, section 4.1.1.3
		from.DisplayName = "Anonymous"
		from.Address = msg.Uri{Scheme: "sip", User: "anonymous", Host: "anonymous.invalid"}
	}
	from.Params.Add("tag", c.tag)
	return from
}

func (c *call) contact(t *trunk, f *flow) *msg.ContactHeader {
	user := t.number(string(c.in.From))
	if t.Private {
		user = "anonymous"
	}
	return f.contact(user, t.Secure)
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

// identify tells the trunk, not the callee, who calls: RFC 3325, section 9.1.
func (c *call) identify(req *msg.Request, t *trunk) {
	if !t.AssertIdentity || c.in.From == "" {
		return
	}
	uri := msg.Uri{Scheme: scheme(t.Secure), User: t.number(string(c.in.From)), Host: uriHost(t.Domain)}
	value := "<" + uri.String() + ">"
	if t.DisplayName != "" {
		value = `"` + quoted(t.DisplayName) + `" ` + value
	}
	req.AppendHeader(msg.NewHeader("P-Asserted-Identity", value))
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

// enlarge moves an INVITE to TCP that is too large for UDP. Where there is no TCP, it goes
// over UDP all the same (RFC 3261, section 18.1.1).
func (c *call) enlarge(ctx context.Context, a *attempt, small *invite) (*invite, error) {
	tcp := a.hop
	tcp.transport = TCP
	f, err := c.d.flows.to(ctx, tcp)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return small, nil
	case err != nil:
		return nil, err
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
	return &invite{c: c, t: a.t, hop: tcp, flow: f, req: req, raw: wire(req), cred: a.cred}, nil
}

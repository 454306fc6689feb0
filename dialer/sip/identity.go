package sip

import (
	"strings"

	msg "github.com/emiago/sipgo/sip"
)

// callee is the Request-URI of a call over the trunk.
func (c *call) callee(t *trunk) msg.Uri {
	prefix := strings.ReplaceAll(t.Prefix, "#", "%23") // RFC 3261, section 25.1: user
	return t.phoneURI(prefix+t.number(string(c.in.To)), t.Domain)
}

func (t *trunk) number(s string) string {
	if t.WithoutPlus {
		return strings.TrimPrefix(s, "+")
	}
	return s
}

// phoneURI is the URI of a number.
func (t *trunk) phoneURI(user, domain string) msg.Uri {
	uri := msg.Uri{Scheme: scheme(t.Secure), User: user, Host: uriHost(domain)}
	if t.UserPhone && user != "" {
		uri.UriParams.Add("user", "phone")
	}
	return uri
}

// caller is the From of the call.
func (c *call) caller(t *trunk) *msg.FromHeader {
	from := &msg.FromHeader{DisplayName: quoted(t.DisplayName)}
	switch {
	case t.Private: // RFC 3323, section 4.1.1.3
		from.DisplayName = "Anonymous"
		from.Address = msg.Uri{Scheme: "sip", User: "anonymous", Host: "anonymous.invalid"}
	case t.FromUser != "":
		from.Address = msg.Uri{Scheme: scheme(t.Secure), User: t.FromUser, Host: uriHost(t.FromDomain)}
	default:
		from.Address = t.phoneURI(t.number(string(c.in.From)), t.FromDomain)
	}
	from.Params.Add("tag", c.tag)
	return from
}

func (c *call) contact(t *trunk, f *flow) *msg.ContactHeader {
	switch {
	case t.Private:
		return f.contact("anonymous", t.Secure)
	case t.FromUser != "":
		return f.contact(t.FromUser, t.Secure)
	}
	return f.contact(t.number(string(c.in.From)), t.Secure)
}

// identify tells the trunk, not the callee, who calls: RFC 3325, section 9.
func (c *call) identify(req *msg.Request, t *trunk) {
	if t.Identity == "" || c.in.From == "" {
		return
	}
	uri := t.phoneURI(t.number(string(c.in.From)), t.FromDomain)
	value := "<" + uri.String() + ">"
	if t.DisplayName != "" {
		value = `"` + quoted(t.DisplayName) + `" ` + value
	}
	switch t.Identity {
	case Asserted:
		req.AppendHeader(msg.NewHeader("P-Asserted-Identity", value))
	case Preferred:
		req.AppendHeader(msg.NewHeader("P-Preferred-Identity", value))
	case RemoteParty:
		privacy := "off"
		if t.Private {
			privacy = "full"
		}
		req.AppendHeader(msg.NewHeader("Remote-Party-ID", value+";party=calling;screen=yes;privacy="+privacy))
	}
}

// route is for requests outside of a dialog, where they go by a proxy.
func (t *trunk) route(req *msg.Request) {
	if t.Proxy == "" {
		return
	}
	uri := msg.Uri{Scheme: scheme(t.Secure), Host: uriHost(t.host), Port: t.port}
	uri.UriParams.Add("lr", "")
	if t.Transport != UDP && !t.Secure {
		uri.UriParams.Add("transport", string(t.Transport))
	}
	req.AppendHeader(&msg.RouteHeader{Address: uri})
}

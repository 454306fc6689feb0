package sip

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer"
)

// retry says whether the refusal asks for another INVITE, which the attempt is then made ready for.
// Once a phone may have rung, there is none.
func (c *call) retry(ctx context.Context, a *attempt, res *msg.Response) bool {
	switch {
	case c.stage >= dialer.Accepted:
		return false
	case isChallenge(res):
		return a.cred.learn(res)
	case res.StatusCode == statusIntervalTooSmall:
		least := timersOf(res).least
		if least <= a.interval || a.interval == 0 {
			return false
		}
		a.interval, a.least = least, least
		return true
	case res.IsRedirection():
		return a.redirects < a.t.Redirects && c.redirect(ctx, a, res)
	}
	return false
}

const statusIntervalTooSmall = 422 // RFC 4028, section 6

// redirect follows the first Contact: RFC 3261, section 8.1.3.4.
func (c *call) redirect(ctx context.Context, a *attempt, res *msg.Response) bool {
	contacts := res.GetHeaders("contact")
	if len(contacts) == 0 {
		return false
	}
	contact, ok := contacts[0].(*msg.ContactHeader)
	if !ok || !usable(contact.Address) {
		return false
	}
	host := strings.Trim(contact.Address.Host, "[]")
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	servers, err := resolve(ctx, c.d.config.Resolver, a.t.Transport, host, contact.Address.Port)
	if err != nil || len(servers) == 0 {
		return false
	}
	a.redirects++
	a.uri = *contact.Address.Clone()
	a.uri.Headers = nil
	server := inTurn(servers, randomly)[0]
	a.hop = a.t.hop(netip.AddrPortFrom(server.addrs[0], server.port))
	a.hop.name = host
	if !a.t.isOwn(a.hop.remote) {
		a.cred = &credentials{} // the trunk's are for the trunk
	}
	a.t.heard(a.hop.remote) // it may send to us
	return true
}

// refuse is the verdict on a refusal that no other INVITE to the same server could turn. A 504 says that
// somebody further on was asked and did not answer in time, who may ring the phone.
func (c *call) refuse(a *attempt, res *msg.Response) verdict {
	rang := !c.at.ringing.IsZero()
	e := refusal(res, rang)
	if !res.IsServerError() || res.StatusCode == msg.StatusGatewayTimeout || c.stage >= dialer.Accepted {
		return over(e)
	}
	v := verdict{why: errors.New(printable(res.StartLine())), maybe: true, ending: e}
	if res.StatusCode == msg.StatusServiceUnavailable && !concernsNumber(e.because) {
		v.maybe = false
		v.after = a.t.restAsAsked(a.hop.remote, header(res, "retry-after"), c.d.second)
	}
	return v
}

// concernsNumber says whether it is the number dialled that cannot be reached (ITU-T Q.850, section 2.2.7), and not
// the trunk that takes no calls.
func concernsNumber(reason string) bool {
	switch causeOf(reason) {
	case "1", "3", "28": // unallocated, no route to destination, invalid format
		return true
	}
	return false
}

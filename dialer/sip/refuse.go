package sip

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer"
)

// retry says whether the refusal asks for another INVITE, which the attempt is then made ready for, and whether
// it says that the credentials are wrong. Once a phone has rung, there is no other INVITE.
func (c *call) retry(ctx context.Context, a *attempt, res *msg.Response) (again, wrong bool) {
	switch {
	case isChallenge(res):
		return c.prove(a, res)
	case c.stage >= dialer.Accepted:
		return false, false
	case res.StatusCode == statusIntervalTooSmall:
		least := timersOf(res).least
		if least <= a.interval || a.interval == 0 {
			return false, false
		}
		a.interval, a.least = least, least
		return true, false
	case res.IsRedirection():
		return a.redirects < a.t.Redirects && c.redirect(ctx, a, res), false
	}
	return false, false
}

// prove answers a challenge. One may come behind a 181, 182 or 183: a server says such a thing to have the caller
// wait, and who is asked next wants to know who calls. The INVITE is over by then, on every branch (RFC 3261,
// section 16.7), and nobody who could have rung has let it through. A 180 says that a phone rang, as on another
// branch of a fork, and so may a 183 with a description, by which a gateway plays what the network does: it would ring
// for the second time.
func (c *call) prove(a *attempt, res *msg.Response) (again, wrong bool) {
	if c.alerted {
		return false, false
	}
	if c.plays { // which a server also does to whom it does not know yet
		_, wrong = a.cred.judge(res)
		return false, wrong
	}
	again, wrong = a.cred.judge(res)
	if again && c.stage >= dialer.Accepted {
		c.anew()
	}
	return again, wrong
}

// anew forgets what the INVITE before brought about: it was refused. When it seemed to ring was told by then, and
// stays only where the phone does not ring later.
func (c *call) anew() {
	if c.at.seemed.IsZero() {
		c.at.seemed = c.at.ringing
	}
	c.at.ringing = time.Time{}
	c.mu.Lock()
	early := c.dialogs
	c.dialogs = map[string]*dialog{} // the next INVITE may get the same tags again
	c.mu.Unlock()
	for _, g := range early {
		removes := g.given()
		time.AfterFunc(transactionTime(), func() { release(removes) })
	}
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
	if isChallenge(res) && c.stage < dialer.Accepted {
		return c.unanswerable(a, res, e)
	}
	if isChallenge(res) && (c.alerted || c.plays) {
		e.message = "it asked for credentials when a phone may have rung already: " + printable(res.StartLine())
	}
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

package sip

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	msg "github.com/emiago/sipgo/sip"
)

// errRefused: the system says, by ICMP, that a datagram reached nobody.
var errRefused = errors.New("nobody listens there")

// bounced is told of the beginning of a datagram that reached nobody. It is called by whoever reads or
// writes the socket, and does not write itself.
func (d *Dialer) bounced(_ netip.AddrPort, raw []byte) {
	id, branch := idAndBranch(raw)
	if f, ok := d.bounces.Load(branch); ok {
		f.(func())() //nolint:forcetypeassert // see expectBounce
		return
	}
	const method = "INVITE "
	if c, _ := d.book.find(id); c != nil && strings.HasPrefix(string(raw[:min(len(raw), len(method))]), method) {
		if inv := c.invite(branch); inv != nil {
			inv.bounce()
		}
	}
}

// expectBounce has f called if the request with that branch, which is of no call, reached nobody, until stop is called.
func (d *Dialer) expectBounce(branch string, f func()) (stop func()) {
	d.bounces.Store(branch, f)
	return func() { d.bounces.Delete(branch) }
}

func (inv *invite) bounce() {
	select {
	case inv.bounced <- struct{}{}:
	default:
	}
}

// reachedNobody ends an INVITE that bounced, and says whether that is certain: it was sent once, and nothing was heard.
// Of one that was sent again nobody can tell which of the datagrams it was.
func (inv *invite) reachedNobody() bool {
	if inv.wasHeard() || time.Since(inv.sent) >= msg.T1 {
		return false
	}
	inv.giveUp()
	return !inv.wasHeard() && time.Since(inv.sent) < msg.T1
}

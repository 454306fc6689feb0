package sip

import (
	"strings"
	"time"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer"
)

// request takes what peers ask of us. What is for no call of ours is refused: one of a trunk's servers
// that gets no answer sends it again and again. A request in a dialog that is gone, after a restart for
// example, ends the call at the peer by that.
func (d *Dialer) request(req *msg.Request, tx msg.ServerTransaction) {
	c, p := d.book.find(callIDOf(req))
	switch {
	case p != nil:
		p.request(d, req, tx)
	case c == nil && toTag(req) == "":
		d.unsolicited(req, tx)
	case c == nil:
		d.respond(tx, req, msg.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
	default:
		g := c.dialogOf(req)
		if g == nil {
			d.respond(tx, req, msg.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
			return
		}
		g.take(req, tx)
	}
}

// unsolicited answers a request that begins something: a callee calls back, or a server asks whether we
// are there.
func (d *Dialer) unsolicited(req *msg.Request, tx msg.ServerTransaction) {
	switch req.Method {
	case msg.OPTIONS:
		d.respond(tx, req, msg.StatusOK, "OK", describeUs)
	case msg.INVITE:
		d.respond(tx, req, d.config.Incoming, "Outbound Calls Only")
	case msg.CANCEL, msg.BYE:
		d.respond(tx, req, msg.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
	default:
		d.respond(tx, req, msg.StatusMethodNotAllowed, "Method Not Allowed", describeUs)
	}
}

// dialogOf finds the dialog of a request by both tags.
func (c *call) dialogOf(req *msg.Request) *dialog {
	if toTag(req) != c.tag {
		return nil
	}
	g := c.dialog(fromTag(req))
	if g == nil && req.Method == msg.BYE && c.wasAnswered() {
		g = c.dialog(fromTag(req))
	}
	return g
}

// respond answers a request; an ACK has no answer.
func (d *Dialer) respond(
	tx msg.ServerTransaction, req *msg.Request, code int, phrase string, complete ...func(*msg.Response),
) {
	if req.IsAck() {
		return
	}
	res := msg.NewResponseFromRequest(req, code, phrase, nil)
	for _, f := range complete {
		f(res)
	}
	res.CompactHeaders = len(res.String()) > largest // else sipgo does not send it over UDP
	if err := tx.Respond(res); err != nil {
		d.log.Warn("a response could not be sent", "method", string(req.Method), "code", code, "error", err)
	}
}

func describeUs(res *msg.Response) {
	res.AppendHeader(msg.NewHeader("Allow", allowed))
	res.AppendHeader(msg.NewHeader("Accept", sdpType))
	res.AppendHeader(msg.NewHeader("Supported", "timer"))
}

// take answers a request in the dialog.
func (g *dialog) take(req *msg.Request, tx msg.ServerTransaction) {
	d := g.c.d
	if req.IsAck() {
		if cseq := req.CSeq(); cseq == nil || !g.awaitsAck(cseq.SeqNo) {
			return
		}
		select {
		case g.acks <- req:
		default:
		}
		return
	}
	if req.Method == msg.CANCEL { // of a request that is answered, or never was
		d.respond(tx, req, msg.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
		return
	}
	if !g.inOrder(req) { // RFC 3261, section 12.2.2
		d.respond(tx, req, msg.StatusInternalServerError, "CSeq Out of Order")
		return
	}
	if unknown := unsupported(req); unknown != "" {
		d.respond(tx, req, msg.StatusBadExtension, "Bad Extension", func(res *msg.Response) {
			res.AppendHeader(msg.NewHeader("Unsupported", unknown))
		})
		return
	}
	switch req.Method {
	case msg.BYE:
		g.takeBye(req, tx)
	case msg.INVITE, msg.UPDATE:
		g.takeOffer(req, tx)
	case msg.OPTIONS:
		d.respond(tx, req, msg.StatusOK, "OK", describeUs)
	case msg.INFO:
		g.takeInfo(req, tx)
	default:
		d.respond(tx, req, msg.StatusMethodNotAllowed, "Method Not Allowed", describeUs)
	}
}

// expectAck notes which re-INVITE was answered, so that the ACK of another one is not taken for that of this one.
func (g *dialog) expectAck(invite *msg.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if cseq := invite.CSeq(); cseq != nil {
		g.ackSeq = cseq.SeqNo
	}
}

func (g *dialog) awaitsAck(seq uint32) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return seq == g.ackSeq
}

func (g *dialog) inOrder(req *msg.Request) bool {
	cseq := req.CSeq()
	if cseq == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if cseq.SeqNo < g.remoteSeq {
		return false
	}
	g.remoteSeq = cseq.SeqNo
	return true
}

// unsupported returns what the request requires and we do not know.
func unsupported(req *msg.Request) string {
	var unknown []string
	for one := range strings.SplitSeq(header(req, "require"), ",") {
		if one = strings.TrimSpace(one); one != "" && !hasToken(supported, one) {
			unknown = append(unknown, one)
		}
	}
	return strings.Join(unknown, ", ")
}

// takeBye also answers a BYE that crosses ours.
func (g *dialog) takeBye(req *msg.Request, tx msg.ServerTransaction) {
	if !g.isOver() && !g.c.wasAnswered() { // an early dialog cannot be hung up from there: RFC 3261, section 15
		g.c.d.respond(tx, req, msg.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
		return
	}
	news := g.end()
	g.c.d.respond(tx, req, msg.StatusOK, "OK")
	if news && g.c.isActive(g) {
		g.c.end(ending{reason: dialer.ClientHangup, because: header(req, "reason"), byPeer: true})
	}
}

// wasAnswered waits a little for the answer, which a BYE may overtake.
func (c *call) wasAnswered() bool {
	const brief = 200 * time.Millisecond
	timer := time.NewTimer(brief)
	defer timer.Stop()
	select {
	case <-c.answered:
		return true
	case <-timer.C:
		return false
	}
}

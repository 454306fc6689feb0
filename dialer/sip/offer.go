package sip

import (
	"errors"
	"time"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

// takeOffer answers a re-INVITE or an UPDATE (RFC 3261, section 14.2; RFC 3311): a hold, a move, a
// refresh of the session.
func (g *dialog) takeOffer(req *msg.Request, tx msg.ServerTransaction) {
	d := g.c.d
	if said := timersOf(req); said.interval > 0 && said.interval < uint32(minSession/time.Second) {
		d.respond(tx, req, statusIntervalTooSmall, "Session Interval Too Small", func(res *msg.Response) {
			res.AppendHeader(msg.NewHeader("Min-SE", "90"))
		})
		return
	}
	// An UPDATE without a description is no offer, and does not wait for the ACK of one.
	if req.Method == msg.INVITE || descriptionOf(req) != nil {
		switch err := g.claim(); {
		case errors.Is(err, errOver):
			d.respond(tx, req, msg.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
			return
		case err != nil:
			d.respond(tx, req, msg.StatusRequestPending, "Request Pending")
			return
		}
		defer g.unclaim()
	}
	answer, err := g.answerTo(req)
	if err != nil {
		d.respond(tx, req, msg.StatusNotAcceptableHere, "Not Acceptable Here")
		return
	}
	g.mu.Lock()
	g.retarget(req)
	g.mu.Unlock()
	complete := func(res *msg.Response) { g.complete(req, res, answer) }
	if req.Method == msg.UPDATE {
		d.respond(tx, req, msg.StatusOK, "OK", complete)
		return
	}
	g.answerInvite(req, tx, complete)
}

// answerTo returns our description: the answer to an offer, an offer where there is none, and
// nothing for an UPDATE without one.
func (g *dialog) answerTo(req *msg.Request) (answer []byte, err error) {
	offer := descriptionOf(req)
	if offer == nil && req.Method == msg.UPDATE {
		return nil, nil
	}
	err = g.c.withSession(func(s media.Session) (err error) {
		if offer == nil {
			answer, err = s.Offer()
			return err
		}
		answer, err = s.Reoffer(offer)
		return err
	})
	if err == nil && offer != nil && !g.c.wasAnswered() {
		g.remember(offer, true)
	}
	return answer, err
}

// complete fills in the answer, and begins the session anew.
func (g *dialog) complete(req *msg.Request, res *msg.Response, sdp []byte) {
	res.AppendHeader(g.c.contact(g.t, g.home()))
	res.AppendHeader(msg.NewHeader("Allow", allowed))
	res.AppendHeader(msg.NewHeader("Supported", "timer"))
	g.renew(req, res)
	if sdp != nil {
		setSDP(res, sdp)
	}
}

// renew begins the session anew (RFC 4028, section 9): who asks goes on refreshing, if it knows session timers
// at all. Where it does not, or says nothing of ours that runs, the refresher is us: the peer ends its
// timer otherwise, and we would wait for refreshes that nobody sends.
func (g *dialog) renew(req *msg.Request, res *msg.Response) {
	said := timersOf(req)
	isAsked, isKnown := said.interval > 0, hasToken(either(req, "supported", "k"), "timer")
	if !isAsked {
		said.interval = g.c.timer.interval()
	}
	if said.interval == 0 {
		return
	}
	refresher := "uas"
	if isAsked && isKnown && said.refresher != "uas" {
		refresher = "uac"
		res.AppendHeader(msg.NewHeader("Require", "timer"))
	}
	askFor(res, said.interval, 0, refresher)
	g.c.timer.set(said.interval, refresher == "uas", g.c.d.second)
}

// answerInvite sends the answer to a re-INVITE until it is acknowledged (RFC 3261, section 13.3.1.4).
func (g *dialog) answerInvite(req *msg.Request, tx msg.ServerTransaction, complete func(*msg.Response)) {
	d := g.c.d
	select {
	case <-g.acks: // of one before
	default:
	}
	g.expectAck(req)
	var res *msg.Response
	d.respond(tx, req, msg.StatusOK, "OK", complete, func(r *msg.Response) { res = r })
	pause := msg.T1
	limit := time.NewTimer(transactionTime())
	defer limit.Stop()
	for {
		again, stop := elapsed(pause)
		select {
		case ack := <-g.acks:
			stop()
			g.acknowledged(req, ack)
			return
		case ack := <-tx.Acks():
			stop()
			g.acknowledged(req, ack)
			return
		case <-again:
			//nolint:errcheck,gosec // it is sent again
			tx.Respond(res)
			pause = min(2*pause, msg.T2)
		case <-limit.C:
			stop()
			g.c.end(ending{reason: dialer.ClientDisconnected, message: "an answer to a re-INVITE was not acknowledged"})
			return
		case <-g.ended:
			stop()
			return
		case <-d.work.calls.Done():
			stop()
			return
		}
	}
}

// acknowledged takes the answer to our offer, which the ACK has where the re-INVITE had none.
func (g *dialog) acknowledged(req, ack *msg.Request) {
	if descriptionOf(req) != nil {
		return
	}
	err := errNoDescription
	if sdp := descriptionOf(ack); sdp != nil {
		err = g.c.withSession(func(s media.Session) error { return s.Answer(sdp, false) })
	}
	if err != nil && !errors.Is(err, errOver) {
		g.c.end(unusable(err))
	}
}

package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

// attempt is a call at one server, with what was learned there for the next INVITE.
type attempt struct {
	t         *trunk
	hop       hop
	uri       msg.Uri
	cred      *credentials
	interval  uint32 // seconds of the session; 0: none is asked for
	least     uint32 // Min-SE of the other side
	redirects int
	brings    bool   // the INVITE has credentials
	refusals  uint64 // of the trunk's credentials, before it left
	trial     *trial // of them; nil: it is none
}

// mostInvites ends a call that two sides would go on about for ever.
const mostInvites = 8

// try sends INVITEs to one server until it is known what becomes of the call there.
func (c *call) try(ctx context.Context, t *trunk, h hop) verdict {
	a := &attempt{t: t, hop: h, uri: c.callee(t), cred: t.credentials()}
	defer func() { t.account.leave(a.trial) }()
	if t.SessionInterval > 0 {
		const day = 24 * 60 * 60
		a.interval = uint32(min(t.SessionInterval/time.Second, day))
	}
	c.trunk = t.Name
	c.at = times{}
	delete(c.details, "sip_code")
	delete(c.details, "sip_phrase")
	for range mostInvites {
		inv, v := c.begin(ctx, a)
		if inv == nil {
			return v
		}
		if v, again := c.await(ctx, inv, a); !again {
			return v
		}
	}
	return over(ending{reason: dialer.DialFailed, message: "the trunk asks for one INVITE after the other"})
}

// begin sends an INVITE. Without one, the verdict is valid.
func (c *call) begin(ctx context.Context, a *attempt) (*invite, verdict) {
	if v, ok := c.authorise(ctx, a); !ok {
		return nil, v
	}
	f, err := c.d.flows.to(ctx, a.hop)
	if err != nil {
		return nil, c.unreachable(ctx, a, err)
	}
	inv, err := c.compose(a, f)
	if err != nil {
		return nil, over(ending{reason: dialer.DialFailed, message: err.Error()})
	}
	if f.transport == UDP && !a.t.LargeOverUDP && len(inv.raw) > largest {
		inv = c.enlarge(ctx, a, inv)
	}
	if v, ok := c.mayStill(ctx); !ok {
		return nil, v
	}
	if c.at.invite.IsZero() {
		c.at.invite = time.Now()
	}
	if err := inv.send(ctx); err != nil {
		return nil, c.unsent(inv, err)
	}
	return inv, verdict{}
}

// mayStill says whether somebody may still be called, now that the connection is open, which can take its time.
func (c *call) mayStill(ctx context.Context) (v verdict, ok bool) {
	switch {
	case isOver(ctx):
		return over(c.cancelled(ctx)), false
	case c.wasPickedUp():
		return over(answeredBefore()), false
	case c.ringOver():
		return c.givenUp(&dialer.UnavailableError{Cause: errNoTime}), false
	case c.agentLeft():
		return c.givenUp(&dialer.UnavailableError{Cause: errAgentLeft, AgentOnly: true}), false
	}
	return verdict{}, true
}

// answeredBefore is the ending where an INVITE was answered that had been refused, and that is hung up.
func answeredBefore() ending {
	return ending{reason: dialer.DialFailed, message: "an INVITE that was refused has been answered, too"}
}

// unreachable is the verdict where there is no way to the server: nothing has left.
func (c *call) unreachable(ctx context.Context, a *attempt, err error) verdict {
	if ctx.Err() != nil {
		return over(c.cancelled(ctx))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		a.t.rest(a.hop.remote, restSilent, true)
	}
	return verdict{why: err}
}

// unsent is the verdict where the INVITE could not be written. Where a part of it was, nobody can tell
// whether the rest was.
func (c *call) unsent(inv *invite, err error) verdict {
	if failed, ok := errors.AsType[*writeError](err); ok && failed.written > 0 {
		return over(ending{reason: dialer.Error, message: "the connection broke while the INVITE was sent"})
	}
	inv.t.rest(inv.hop.remote, time.Second, true)
	return verdict{why: err}
}

// await follows the INVITE until it is known what becomes of it.
func (c *call) await(ctx context.Context, inv *invite, a *attempt) (v verdict, again bool) {
	var broken <-chan time.Time
	gone := inv.flow.gone
	silent, stop := elapsed(a.t.SilentAfter)
	defer stop()
	left := c.session.Left()
	for {
		select {
		case res := <-inv.tx.Responses():
			if v, done, again := c.hear(ctx, inv, a, res); done {
				return v, again
			}
		case <-inv.tx.Done():
			return c.unheard(inv), false
		case <-silent: // other calls go elsewhere, but this one may ring here
			silent = nil
			if !inv.wasHeard() {
				a.t.restIfSilent(inv.hop.remote, inv.sent)
			}
		case <-inv.bounced:
			if inv.reachedNobody() {
				return verdict{why: errRefused}, false
			}
		case <-gone:
			gone = nil
			broken, _ = elapsed(lastWords)
		case <-broken:
			return c.broken(inv), false
		case <-left: // nobody would be there
			inv.giveUpFor(dialer.AgentHangup)
			return over(c.agentGone()), false
		case <-c.pickedUp: // by an INVITE before, and this one would ring again
			inv.giveUpFor(dialer.DialFailed)
			return over(answeredBefore()), false
		case <-c.ring:
			if !inv.wasHeard() {
				return c.unheard(inv), false
			}
			inv.giveUpFor(dialer.DialNoAnswer)
			return over(ending{reason: dialer.DialNoAnswer}), false
		case <-ctx.Done():
			e := c.cancelled(ctx)
			inv.giveUpFor(e.reason)
			return over(e), false
		}
	}
}

// unheard is the verdict where nothing was heard in 64*T1 (timer B), or for as long as the phone may ring. The
// INVITE may have arrived, and only the way back be broken: so nobody else is asked, and should
// the server be heard of after all, the INVITE is cancelled.
func (c *call) unheard(inv *invite) verdict {
	inv.giveUp()
	if inv.wasHeard() { // by now
		return over(ending{reason: dialer.DialNoAnswer})
	}
	if time.Since(inv.sent) > 4*msg.T1 { // it was sent three times
		inv.t.restIfSilent(inv.hop.remote, inv.sent)
		inv.flow.leaveIfSilent(inv.sent)
	}
	return over(ending{reason: dialer.Error, message: fmt.Sprintf(
		"nothing was heard of %s after the INVITE: it may have arrived. The server was told to answer to %s; "+
			"if that is not where answers come in, advertise the right address",
		inv.hop.remote, net.JoinHostPort(inv.flow.host, strconv.Itoa(int(inv.flow.port))))})
}

// broken is the verdict where the connection is lost that the INVITE left by: somebody may have it.
func (c *call) broken(inv *invite) verdict {
	inv.giveUp()
	return over(ending{reason: dialer.Error, message: "the connection to the trunk was lost before the call was answered"})
}

// hear takes a response. done says that the INVITE is over, again that there is to be another.
func (c *call) hear(
	ctx context.Context, inv *invite, a *attempt, res *msg.Response,
) (v verdict, done, again bool) {
	c.responded(res)
	c.judge(a, res)
	if res.IsProvisional() {
		c.progress(inv, res)
		return verdict{}, false, false
	}
	c.catchUp(inv)
	if res.IsSuccess() {
		v, done = c.accept(inv, res) //nolint:contextcheck // an ACK is sent even if the call is over by then
		if done {
			*res = msg.Response{} // sipgo keeps the transaction, and this with it, for 64*T1
		}
		return v, done, false
	}
	inv.refused()
	a.t.heard(inv.hop.remote)
	c.d.look(a.t, inv.hop.remote, inv.flow, res)
	if c.wasPickedUp() {
		return over(refusal(res, !c.at.ringing.IsZero())), true, false
	}
	switch again, wrong := c.retry(ctx, a, res); {
	case again:
		return verdict{}, true, true
	case wrong:
		return c.wrong(a, res), true, false
	}
	return c.refuse(a, res), true, false
}

// progress takes a provisional response.
func (c *call) progress(inv *invite, res *msg.Response) {
	now := time.Now()
	if inv.provisional() {
		inv.t.heard(inv.hop.remote)
		inv.cred.passed()
	}
	if res.StatusCode == msg.StatusTrying {
		if c.at.trying.IsZero() {
			c.at.trying = now
		}
		return
	}
	c.reach(dialer.Accepted, now)
	c.alerted = c.alerted || res.StatusCode == msg.StatusRinging
	c.plays = c.plays || res.StatusCode == msg.StatusSessionInProgress && len(res.Body()) > 0
	if res.StatusCode == msg.StatusRinging || res.StatusCode == msg.StatusSessionInProgress {
		if c.at.ringing.IsZero() {
			c.at.ringing = now
		}
		c.reach(dialer.Ringing, now)
	}
	if toTag(res) != "" {
		c.early(inv, res)
	}
}

// early takes what belongs to an early dialog: the reliable response that wants a PRACK, and early media.
func (c *call) early(inv *invite, res *msg.Response) {
	g := c.dialog(toTag(res))
	if g == nil {
		g = newDialog(inv, res)
		c.keep(g)
	} else if res.Contact() != nil {
		g.refresh(res)
	}
	if !g.prack(inv, res) {
		return // it was heard before
	}
	sdp := descriptionOf(res)
	if sdp == nil {
		return
	}
	err := c.withSession(func(s media.Session) error { return s.Answer(sdp, true) })
	if err != nil {
		c.d.log.Info("early media cannot be heard", "trunk", inv.t.Name, "call", c.in.ID, "error", err)
		return
	}
	g.remember(sdp, isReliable(res))
}

// accept takes an answer. It is not the call where the call was given up meanwhile.
func (c *call) accept(inv *invite, res *msg.Response) (v verdict, done bool) {
	if !inv.choose(res) {
		return verdict{}, false
	}
	c.at.answered = time.Now()
	g := c.dialog(toTag(res))
	if g == nil {
		g = newDialog(inv, res)
	} else {
		g.refresh(res)
	}
	err := c.hearAnswer(g, res) // first of all: somebody listens
	c.activate(g)
	g.beginAck(inv)
	finish(inv.tx)
	g.cred.taken()
	inv.t.heard(inv.hop.remote)
	c.d.look(inv.t, inv.hop.remote, inv.flow, res)
	if err != nil {
		c.at.acked = g.awaitAck()
		g.leave(dialer.DialFailed)
		c.d.work.background(g.hangUp)
		return over(ending{reason: dialer.DialFailed, message: err.Error()}), true
	}
	c.connected = c.at.answered
	c.startTimer(timersOf(res))
	c.reach(dialer.Accepted, c.at.answered)
	c.reach(dialer.Connected, c.at.answered)
	return verdict{dialog: g}, true
}

var errNoDescription = errors.New("the answer has no session description")

// hearAnswer gives the final description to the session: that of the answer, or the one that a
// reliable provisional response had.
func (c *call) hearAnswer(g *dialog, res *msg.Response) error {
	sdp := descriptionOf(res)
	if early, agreed := g.remembered(); sdp == nil || agreed {
		sdp = early
	}
	if sdp == nil {
		return errNoDescription
	}
	return c.withSession(func(s media.Session) error { return s.Answer(sdp, false) })
}

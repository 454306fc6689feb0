package sip

import (
	"context"
	"errors"
	"time"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer"
)

// ackPatience is how long the way may take that an ACK goes: the peer hears us by then, and sends
// its answer again.
const ackPatience = 300 * time.Millisecond

// beginAck has the ACK sent without waiting for the way to it: the media begins, whatever it is.
func (g *dialog) beginAck(inv *invite) {
	next, _, _ := g.routed()
	if f := g.knownWay(next); f != nil { // as nearly always
		g.acknowledgeBy(context.Background(), inv)
		return
	}
	if !g.c.d.work.background(func(ctx context.Context) { g.acknowledge(ctx, inv) }) {
		g.acknowledge(context.Background(), inv)
	}
}

// acknowledge sends the ACK of an answer to the INVITE (RFC 3261, section 13.2.2.4), and keeps it
// for when the answer comes again. Where no way is found in time it goes the way of the INVITE.
func (g *dialog) acknowledge(ctx context.Context, inv *invite) {
	finding, cancel := context.WithTimeout(ctx, ackPatience)
	defer cancel()
	g.acknowledgeBy(finding, inv)
}

// acknowledgeBy is acknowledge as long as the context of finding the way is not over.
func (g *dialog) acknowledgeBy(finding context.Context, inv *invite) {
	defer g.isAcked.Do(func() { close(g.acked) })
	req, f, err := g.numbered(finding, msg.ACK, inv.req.CSeq().SeqNo)
	if err != nil {
		g.c.d.log.Warn("no way for an ACK", "trunk", g.t.Name, "call", g.c.in.ID, "error", err)
		return
	}
	copyCredentials(inv.req, req)
	req.SetBody(nil)
	ack := &acked{flow: f, raw: wire(req)}
	inv.mu.Lock()
	inv.remember(g.tag, ack)
	inv.mu.Unlock()
	g.noteAck(time.Now())
	g.c.d.deliver(f, inv.hop, ack.raw)
}

func (g *dialog) noteAck(at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ackedAt.IsZero() {
		g.ackedAt = at
	}
}

// awaitAck returns when the answer was acknowledged; zero: it could not be.
func (g *dialog) awaitAck() time.Time {
	<-g.acked
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ackedAt
}

// leave notes why we hang up, for hangUp to tell.
func (g *dialog) leave(reason dialer.EndReason) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.because = reason
}

// hangUp sends a BYE until the peer has taken it, or will never.
func (g *dialog) hangUp(ctx context.Context) {
	select {
	case <-g.acked: // a BYE must not overtake it
	case <-ctx.Done():
	}
	if !g.end() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*transactionTime()) //nolint:mnd // one for the last BYE
	defer cancel()
	begun := time.Now()
	for {
		res, err := g.bye(ctx)
		pause, again := g.byeAgain(res, err)
		switch {
		case err == nil && isTaken(res):
			return
		case !again || time.Since(begun)+pause > transactionTime() || !sleep(ctx, pause):
			g.notTaken(res, err)
			return
		}
	}
}

// bye sends one, once more where the connection turns out to be gone.
func (g *dialog) bye(ctx context.Context) (res *msg.Response, err error) {
	g.mu.Lock()
	cause := causeFor(g.because)
	g.mu.Unlock()
	for range 2 {
		res, err = g.send(ctx, msg.BYE, func(req *msg.Request, _ *flow) {
			req.AppendHeader(msg.NewHeader("Reason", cause))
		})
		if !errors.Is(err, errLost) {
			break
		}
	}
	return res, err
}

// isTaken says whether the call is over at the peer.
func isTaken(res *msg.Response) bool {
	return res.IsSuccess() || res.StatusCode == msg.StatusCallTransactionDoesNotExists ||
		res.StatusCode == msg.StatusRequestTimeout
}

// byeAgain says when the same may be asked once more.
func (g *dialog) byeAgain(res *msg.Response, err error) (pause time.Duration, again bool) {
	if err != nil { // it did not leave, or found no way; one that nobody answers was sent for long enough
		return unsentPause(), !errors.Is(err, errSilence)
	}
	if res.StatusCode == msg.StatusRequestPending {
		return g.c.d.glare(), true
	}
	seconds, ok := secondsOf(header(res, "retry-after"))
	return max(time.Duration(seconds)*g.c.d.second, msg.T1), ok && res.IsServerError()
}

// unsentPause is how long what could not be sent waits for another try: a connection is refused while a
// server begins anew, and a buffer is full for a moment.
func unsentPause() time.Duration { return 2 * msg.T1 } //nolint:mnd // a second

// notTaken has somebody look: the call may be live, and billed.
func (g *dialog) notTaken(res *msg.Response, err error) {
	log := g.c.d.log.With("trunk", g.t.Name, "call", g.c.in.ID, "sip_call_id", g.c.id)
	if err != nil {
		log.Warn("a BYE was not answered", "error", err)
		return
	}
	log.Warn("a BYE was refused: the call may be live at the carrier", "code", res.StatusCode)
}

// sleep returns false when ctx is over first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// causeFor is the Reason (RFC 3326) of our BYE or CANCEL, with a cause of ITU-T Q.850.
func causeFor(reason dialer.EndReason) string {
	switch reason { //nolint:exhaustive // the others are a call that was ended as calls are
	case dialer.DialNoAnswer:
		return `Q.850;cause=19;text="No answer from user"`
	case dialer.Error, dialer.DialFailed:
		return `Q.850;cause=41;text="Temporary failure"`
	case dialer.Inactivity, dialer.ClientDisconnected:
		return `Q.850;cause=102;text="Recovery on timer expiry"`
	}
	return `Q.850;cause=16;text="Normal call clearing"`
}

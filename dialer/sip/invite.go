package sip

import (
	"context"
	"errors"
	"sync"
	"time"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer"
)

// invite is one INVITE that has left, and what has to happen for it until nothing can come any more. A
// call has several: after a challenge, at the next trunk, and as re-INVITE in the call.
//
// sipgo's transaction is ended as soon as it is known what becomes of the INVITE. From
// then on all that comes for it is a stray, which needs no goroutine to wait for it.
type invite struct {
	c    *call
	t    *trunk
	hop  hop
	flow *flow
	req  *msg.Request
	raw  []byte // the request as it leaves
	tx   msg.ClientTransaction
	cred *credentials
	sent time.Time
	re   *dialog // the dialog that it is a re-INVITE in; nil: it is none

	bounced chan struct{} // holds one token when the system says that it reached nobody

	mu        sync.Mutex
	heard     bool // a provisional response came: it may be cancelled
	givenUp   bool
	because   dialer.EndReason // why it was
	cancelled bool
	chosen    bool      // an answer is the call
	acks      *acks     // nil: there is none
	unread    [][]byte  // answers that were overheard, and that nobody has looked at
	accepted  time.Time // the first response above 100 was read
	rang      time.Time // the first 180 or 183 was
	alerted   bool      // a 180 was
	plays     bool      // a 183 with a body was
	inUse     bool      // something is still to be done with the request
	buried    bool      // the past has it: see there
	over      *settled  // nil: nobody waits for that
}

// send begins the transaction. An error says that the INVITE did not leave, or not as a whole.
func (inv *invite) send(ctx context.Context) error {
	inv.c.note(inv)
	if inv.re == nil {
		inv.flow.hold() // until nothing can come any more: see past
	}
	inv.sent = time.Now()
	tx, err := inv.c.d.stack.begin(ctx, inv.flow, inv.req)
	if err != nil {
		return err
	}
	inv.tx = tx
	tx.OnRetransmission(inv.c.d.stray) // and not inv.stray: sipgo keeps the transaction for 64*T1
	return nil
}

// provisional notes that the INVITE has arrived, and says whether that is news.
func (inv *invite) provisional() (first bool) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	first = !inv.heard
	inv.heard = true
	return first
}

// wasHeard says whether anything came for the INVITE.
func (inv *invite) wasHeard() bool {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return inv.heard
}

// refused ends the transaction because the INVITE was refused. On another branch it may have been answered all the
// same: a proxy passes that on behind the refusal (RFC 3261, section 16.7).
func (inv *invite) refused() {
	inv.mu.Lock()
	inv.givenUp, inv.cancelled = true, true
	inv.mu.Unlock()
	finish(inv.tx)
	inv.readAnswers()
}

// giveUp ends the INVITE, whatever comes: it is cancelled now if it may be, else when
// it has been heard to arrive (RFC 3261, section 9.1). An answer is acknowledged and hung up.
func (inv *invite) giveUp() {
	inv.mu.Lock()
	inv.givenUp = true
	cancel := inv.heard && !inv.cancelled
	inv.cancelled = inv.cancelled || cancel
	inv.inUse = inv.inUse || cancel
	inv.mu.Unlock()
	if cancel {
		inv.cancel()
	}
	inv.drain()
	inv.tx.Terminate()
	inv.readAnswers()
}

// giveUpFor is giveUp for a reason that a CANCEL is to tell.
func (inv *invite) giveUpFor(reason dialer.EndReason) {
	inv.mu.Lock()
	inv.because = reason
	inv.mu.Unlock()
	inv.giveUp()
}

func (inv *invite) why() dialer.EndReason {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return inv.because
}

// drain takes the responses that are waiting to be read: the transaction throws them away.
func (inv *invite) drain() {
	for {
		select {
		case res := <-inv.tx.Responses():
			inv.settle(res, true)
		default:
			return
		}
	}
}

// stray takes a response that comes late, or again.
func (inv *invite) stray(res *msg.Response) { inv.settle(res, false) }

// settle does with a response what there is still to do. The transaction has acknowledged a refusal
// already that it passed on.
func (inv *invite) settle(res *msg.Response, passedOn bool) {
	switch {
	case res.IsProvisional():
		inv.lateRinging(res)
	case res.IsSuccess():
		inv.lateAnswer(res)
	case !passedOn:
		inv.ackRefusal(res)
	}
	if !res.IsProvisional() {
		inv.settled()
	}
}

func (inv *invite) lateRinging(res *msg.Response) {
	inv.mu.Lock()
	if inv.buried {
		inv.mu.Unlock()
		inv.c.d.stray(res)
		return
	}
	inv.heard = true
	cancel := inv.givenUp && !inv.cancelled
	inv.cancelled = inv.cancelled || cancel
	inv.inUse = inv.inUse || cancel
	inv.mu.Unlock()
	if cancel {
		inv.cancel()
	}
}

// lateAnswer acknowledges again what was acknowledged, and hangs up what is not the call: an answer
// from another branch, or to an INVITE that was given up.
func (inv *invite) lateAnswer(res *msg.Response) {
	tag := toTag(res)
	inv.mu.Lock()
	if inv.buried {
		inv.mu.Unlock()
		inv.c.d.stray(res)
		return
	}
	if !inv.givenUp && !inv.chosen {
		inv.mu.Unlock() // the first answer has not been looked at yet, and this one will come again
		return
	}
	ack, known := inv.acked(tag)
	if !known {
		inv.remember(tag, nil)
		inv.inUse = true
	}
	inv.mu.Unlock()
	switch {
	case ack != nil:
		inv.c.d.deliver(ack.flow, inv.hop, ack.raw)
	case !known:
		inv.refuse(res)
	}
}

// remember is called with the lock held. A nil ACK is on its way.
func (inv *invite) remember(tag string, ack *acked) {
	if inv.acks == nil {
		inv.acks = &acks{}
	}
	inv.acks.set(tag, ack)
}

// acked returns the ACK that is due, and is called with the lock held, too.
func (inv *invite) acked(tag string) (ack *acked, known bool) {
	if inv.acks == nil {
		return nil, false
	}
	return inv.acks.again(tag)
}

// choose makes the answer the call, unless another one is or the INVITE was given up. What other branches
// answered meanwhile is hung up.
func (inv *invite) choose(res *msg.Response) bool {
	inv.mu.Lock()
	if inv.givenUp || inv.chosen {
		inv.mu.Unlock()
		return false
	}
	inv.chosen = true
	inv.remember(toTag(res), nil)
	if len(inv.unread) < 2 { // the answer itself: no need to parse it again
		inv.unread = nil
	}
	inv.mu.Unlock()
	inv.readAnswers()
	return true
}

// refuse acknowledges an answer that is not wanted, and hangs up.
func (inv *invite) refuse(res *msg.Response) {
	if inv.re == nil {
		inv.c.pickUp()
	}
	inv.c.d.work.background(func(ctx context.Context) {
		if inv.re != nil {
			inv.re.acknowledge(ctx, inv)
			return
		}
		inv.c.d.log.Info("an answer that came too late, or second, is hung up", "trunk", inv.t.Name, "call", inv.c.in.ID)
		g := newDialog(inv, res)
		g.follow(inv.c)
		inv.c.keep(g)
		g.acknowledge(ctx, inv)
		g.hangUp(ctx)
	})
}

// deliver writes an ACK, over another connection where the one it belongs to is lost. Should the ACK
// be lost, what it is for comes again.
func (d *Dialer) deliver(f *flow, h hop, ack []byte) {
	if !f.lost() {
		f.write(ack) //nolint:errcheck,gosec // see above
		return
	}
	d.work.background(func(ctx context.Context) {
		if f, err := d.flows.to(ctx, h); err == nil {
			f.write(ack) //nolint:errcheck,gosec // see above
		}
	})
}

// cancel sends the CANCEL: RFC 3261, section 9.1.
func (inv *invite) cancel() {
	inv.mu.Lock()
	over := inv.waited()
	inv.mu.Unlock()
	inv.c.d.work.background(func(ctx context.Context) {
		begun := time.Now()
		err := inv.cancelOnce(ctx)
		for err != nil && !errors.Is(err, errSilence) && time.Since(begun) < transactionTime() && sleep(ctx, unsentPause()) {
			err = inv.cancelOnce(ctx) // it did not leave, and the phone rings on
		}
		if err != nil {
			inv.c.d.log.Warn("a CANCEL was not answered", "trunk", inv.t.Name, "call", inv.c.in.ID, "error", err)
			return
		}
		over.wait(ctx)
	})
}

func (inv *invite) cancelOnce(ctx context.Context) error {
	f := inv.flow
	if f.lost() {
		var err error
		if f, err = inv.c.d.flows.to(ctx, inv.hop); err != nil {
			return err
		}
	}
	req := inv.like(msg.CANCEL)
	req.AppendHeader(msg.NewHeader("Reason", causeFor(inv.why())))
	_, err := inv.c.d.stack.transact(ctx, f, req)
	return err
}

// like returns a request that belongs to the INVITE's transaction: CANCEL, or ACK of a refusal. Its
// Via, Request-URI, Route and CSeq number are the same.
func (inv *invite) like(method msg.RequestMethod) *msg.Request {
	req := msg.NewRequest(method, inv.req.Recipient)
	req.AppendHeader(inv.req.Via().Clone())
	for _, h := range inv.req.GetHeaders("route") {
		req.AppendHeader(msg.HeaderClone(h))
	}
	req.AppendHeader(maxForwards())
	req.AppendHeader(msg.HeaderClone(inv.req.From()))
	req.AppendHeader(msg.HeaderClone(inv.req.To()))
	req.AppendHeader(msg.HeaderClone(inv.req.CallID()))
	req.AppendHeader(&msg.CSeqHeader{SeqNo: inv.req.CSeq().SeqNo, MethodName: method})
	copyCredentials(inv.req, req)
	req.SetBody(nil)
	return req
}

// ackRefusal is the ACK of a response above 299: RFC 3261, section 17.1.1.3.
func (inv *invite) ackRefusal(res *msg.Response) {
	inv.mu.Lock()
	if inv.buried { // over TCP the refusal does not come again, but the past can take it
		inv.mu.Unlock()
		inv.c.d.stray(res)
		return
	}
	defer inv.mu.Unlock()
	ack := inv.like(msg.ACK)
	if to := res.To(); to != nil {
		ack.ReplaceHeader(msg.HeaderClone(to))
	}
	inv.c.d.deliver(inv.flow, inv.hop, wire(ack))
}

// copyCredentials is for ACK and CANCEL, which cannot be challenged: RFC 3261, section 22.1.
func copyCredentials(from, to *msg.Request) {
	for _, name := range []string{"authorization", "proxy-authorization"} {
		for _, h := range from.GetHeaders(name) {
			to.AppendHeader(msg.HeaderClone(h))
		}
	}
}

// elapsed is a timer that ends nothing: a nil channel where there is no limit.
func elapsed(d time.Duration) (c <-chan time.Time, stop func()) {
	if d <= 0 {
		return nil, func() {}
	}
	timer := time.NewTimer(d)
	return timer.C, func() { timer.Stop() }
}

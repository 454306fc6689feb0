package twilio

import (
	"context"
	"time"

	"github.com/outdial/outdial/dialer"
)

// cancelled is the end of a call whose context is over.
func (f *follower) cancelled(ctx context.Context) (dialer.Outcome, error) {
	if dialer.Detached(ctx) {
		f.dialer.calls.leave(f.attempt)
		return dialer.Outcome{}, dialer.ErrDetached
	}
	if _, err := f.hangUp(ctx, completed); err != nil {
		return dialer.Outcome{}, err
	}
	return f.ended(func(connected bool) dialer.EndReason { return dialer.HangUpReason(ctx, connected) }, completed)
}

// hangUp has Twilio end the call, and returns when its end is known or Timing.HangUp has passed. It is
// false for a call that was to be canceled and had been answered. The error is ErrDetached. The
// follower's isOurs then says whether that may be why it ended.
func (f *follower) hangUp(ctx context.Context, status string) (bool, error) {
	most := f.dialer.config.Timing.HangUp
	longer, cancel := outliving(ctx, most)
	defer cancel()
	ending, stop := context.WithTimeout(longer, most)
	defer stop()
	if status == completed {
		f.attempt.cutting()
	}
	h := hanging{dialer: f.dialer, attempt: f.attempt, status: status}
	defer func() { f.isOurs = h.isOurs }()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		k, changed := f.attempt.look()
		f.tell(k)
		switch {
		case k.rank == isFinal:
			return true, nil
		case status == canceled && k.rank == isUp:
			return false, nil
		}
		select {
		case <-changed:
		case <-timer.C:
			timer.Reset(h.press(ending, k.sid))
		case <-ending.Done():
			if dialer.Detached(longer) {
				f.dialer.calls.leave(f.attempt)
				return false, dialer.ErrDetached
			}
			return true, nil
		}
	}
}

// hanging is the way of a call to its end: Twilio is told until it has understood, and then asked whether
// it is so.
type hanging struct {
	dialer  *Dialer
	attempt *attempt
	status  string
	isTold  bool
	isOurs  bool // it may have ended because it was told to
	tries   int
	absent  int // how often Twilio did not know it
}

// press returns how long to wait before it is called again.
func (h *hanging) press(ctx context.Context, sid string) time.Duration {
	const first, most, again = time.Second / 4, 4 * time.Second, 4
	h.tries++
	if h.tries%again == 0 {
		h.isTold = false // it does no harm
	}
	ask, isTelling := h.dialer.account.fetch, !h.isTold
	if isTelling {
		ask = func(ctx context.Context, sid string) (record, error) {
			return h.dialer.account.end(ctx, sid, h.status)
		}
	}
	r, err := ask(ctx, sid)
	if err == nil {
		h.isTold, h.isOurs = true, h.isOurs || isTelling
		h.attempt.apply(eventOf(r))
		return backoff(h.tries, first, most)
	}
	lost := asFailure(err)
	switch lost.fate {
	case absent:
		if h.absent++; h.absent >= absences {
			h.attempt.vanish()
		}
	case refused:
		h.isTold = true // it is over, says Twilio: how, is to be asked
		if !h.isOurs {
			h.attempt.notCut()
		}
	case unknown:
		h.isOurs = h.isOurs || isTelling
	case notSent, turnedAway, barred:
	}
	return max(lost.after, backoff(h.tries, first, most))
}

// ended is the return after a hang-up with a status, for a reason.
func (f *follower) ended(reason func(connected bool) dialer.EndReason, status string) (dialer.Outcome, error) {
	k, _ := f.attempt.look()
	f.tell(k)
	if k.rank == isFinal {
		asked := reason(!k.connectedAt.IsZero())
		if !f.isOurs || (status == canceled && k.status == completed) {
			asked = "" // it ended by itself
		}
		return f.over(f.outcome(k, asked))
	}
	f.dialer.log.Warn("twilio: a call did not end in time", "call", f.attempt.call.ID)
	f.attempt.breakOff() // an answered call ends with its stream, even where Twilio takes no requests
	f.dialer.reap(k.sid)
	k.endedAt = time.Now()
	o := f.outcome(k, reason(!k.connectedAt.IsZero()))
	o.Message = "Twilio did not say in time that the call is over"
	return f.over(o)
}

// reap hangs up a call that nobody follows, in the background.
func (d *Dialer) reap(sid string) {
	if !callSID.MatchString(sid) || !d.calls.reap(sid) {
		return
	}
	isStarted := d.background(func(ctx context.Context) {
		defer d.calls.reaped(sid)
		ctx, cancel := context.WithTimeout(ctx, d.config.Timing.Reap)
		defer cancel()
		d.reapUntil(ctx, sid)
	})
	if !isStarted {
		d.calls.reaped(sid)
	}
}

func (d *Dialer) reapUntil(ctx context.Context, sid string) {
	missing := 0
	for tries := 0; ; tries++ {
		_, err := d.account.end(ctx, sid, completed)
		if err == nil {
			d.log.InfoContext(ctx, "twilio: a call that nobody follows was hung up", "sid", sid)
			return
		}
		lost := asFailure(err)
		if lost.fate == absent {
			missing++
		}
		if missing >= absences || lost.fate == refused {
			return // it is over
		}
		if !pause(ctx, max(lost.after, backoff(tries, time.Second/2, 30*time.Second))) {
			d.log.ErrorContext(ctx, "twilio: a call that nobody follows could not be hung up", "sid", sid, "error", lost)
			return
		}
	}
}

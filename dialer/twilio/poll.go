package twilio

import (
	"context"
	"sync/atomic"
	"time"
)

// pollPlan says when Twilio is asked what a call does: when the callback of an end should have come,
// and from then on now and then.
type pollPlan struct {
	due     time.Time
	atLimit time.Time // when Twilio should have ended the call by itself
	ended   int       // polls since the stream ended; 0: it goes on
	busy    atomic.Bool
}

func (p *pollPlan) next(f *follower, k known) time.Time {
	t := f.dialer.config.Timing
	if p.due.IsZero() {
		p.due = k.placedAt.Add(f.attempt.call.RingTimeout + t.PollAfter)
	}
	if p.atLimit.IsZero() && k.rank == isUp {
		p.atLimit = k.connectedAt.Add(f.dialer.timeLimit(f.attempt.call) + t.PollAfter)
	}
	if p.ended == 0 && !k.streamedAt.IsZero() {
		p.ended, p.due = 1, k.streamedAt
		if k.stream != broken {
			p.due = p.due.Add(t.Settle)
		}
	}
	if !p.atLimit.IsZero() && p.atLimit.Before(p.due) && p.atLimit.After(time.Now()) {
		return p.atLimit
	}
	return p.due
}

// again plans the poll after this one.
func (p *pollPlan) again(t Timing) {
	wait := 2*t.PollEvery/3 + jitter(2*t.PollEvery/3)
	if p.ended > 0 {
		wait = min(wait, backoff(p.ended, t.Settle, t.PollEvery))
		p.ended++
	}
	p.due = time.Now().Add(wait)
}

// poll asks in the background, so that news by callback is not kept waiting by a slow answer.
func (f *follower) poll(ctx context.Context, k known) {
	f.polls.again(f.dialer.config.Timing)
	if !f.polls.busy.CompareAndSwap(false, true) {
		return
	}
	isStarted := f.dialer.background(func(closing context.Context) {
		defer f.polls.busy.Store(false)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(closing, cancel)()
		f.refresh(ctx, k)
	})
	if !isStarted {
		f.polls.busy.Store(false)
	}
}

// refresh takes what Twilio says of the call.
func (f *follower) refresh(ctx context.Context, k known) {
	r, err := f.dialer.account.fetchSure(ctx, k.sid)
	switch {
	case err != nil && ctx.Err() != nil:
	case err != nil && asFailure(err).fate == absent:
		f.attempt.vanish()
	case err != nil:
		f.dialer.log.WarnContext(ctx, "twilio: a call cannot be asked about", "call", f.attempt.call.ID, "error", err)
	default:
		f.attempt.apply(eventOf(r))
		if k.stream == broken && r.status == "in-progress" {
			f.attempt.cut()
		}
	}
}

package twilio

import (
	"context"
	"time"

	"github.com/outdial/outdial/dialer"
)

// follower tells a caller what becomes of an attempt, and ends it in time.
type follower struct {
	dialer  *Dialer
	attempt *attempt
	report  func(dialer.Progress)

	told  dialer.Stage // the latest that was reported
	began time.Time    // when the request was sent
	polls pollPlan

	isOurs bool // the call may have ended because it was hung up here
	spared bool // the ring timeout came too late: the call had been answered
}

// follow returns when the call is over, or let go of.
func (f *follower) follow(ctx context.Context) (dialer.Outcome, error) {
	polling, stop := context.WithCancel(ctx)
	defer stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		k, changed := f.attempt.look()
		f.tell(k)
		if k.rank == isFinal {
			f.hearOut(ctx, k, changed)
			k, _ = f.attempt.look()
			return f.over(f.outcome(k, ""))
		}
		n := f.next(k)
		timer.Reset(max(0, time.Until(n.at)))
		select {
		case <-changed:
			continue
		case <-ctx.Done():
			return f.cancelled(ctx)
		case <-timer.C:
		}
		if n.poll {
			f.poll(polling, k)
			continue
		}
		if isOver, o, err := f.carryOut(ctx, n); isOver {
			return o, err
		}
	}
}

// hearOut waits for a moment where Twilio has told of the end only because it was asked: callbacks, or a stream,
// may be on their way.
func (f *follower) hearOut(ctx context.Context, k known, changed <-chan struct{}) {
	if !f.isMissed(k) || k.isCalled || k.connectedAt.IsZero() {
		return
	}
	timer := time.NewTimer(f.dialer.config.Timing.Settle)
	defer timer.Stop()
	for {
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		}
		if k, changed = f.attempt.look(); k.isCalled || !f.isMissed(k) {
			return
		}
	}
}

// over is the return of an outcome.
func (f *follower) over(o dialer.Outcome) (dialer.Outcome, error) {
	f.dialer.calls.finish(f.attempt)
	return o, nil
}

// tell reports the stages that the caller does not know yet. One that nothing was heard of
// is left out.
func (f *follower) tell(k known) {
	for f.told < k.stage() {
		f.told++
		p := dialer.Progress{Stage: f.told, Ref: k.sid}
		switch f.told {
		case dialer.Accepted:
			p.At = k.placedAt
		case dialer.Ringing:
			p.At = k.rangAt
		case dialer.Connected:
			p.At = k.connectedAt
		}
		if !p.At.IsZero() || f.told == dialer.Accepted {
			f.report(p)
		}
	}
}

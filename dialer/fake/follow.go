package fake

import (
	"context"
	"errors"
	"time"

	"github.com/outdial/outdial/dialer"
)

// reportedLateBy is how long after Dial returned a late report comes.
const reportedLateBy = 10 * time.Millisecond

// follower tells a caller what a line does, and hangs it up when the caller says so.
type follower struct {
	line       *line
	fault      Fault
	report     func(dialer.Progress)
	detachable bool

	told dialer.Stage // the latest that was reported
}

// view is a line at one moment.
type view struct {
	stage    dialer.Stage
	placedAt time.Time
	outcome  dialer.Outcome
	isOver   bool
	changed  <-chan struct{} // nil when it is over
}

func (f *follower) follow(ctx context.Context) (dialer.Outcome, error) {
	done := ctx.Done()
	if f.fault&(Hang|IgnoreCancel) != 0 {
		done = nil
	}
	for {
		v := f.line.look()
		f.tell(v)
		if err := f.fail(v); err != nil {
			return dialer.Outcome{}, err
		}
		if v.isOver {
			if f.fault&ReportLate != 0 {
				f.tellLate(v)
			}
			return v.outcome, nil
		}
		select {
		case <-v.changed:
		case <-done:
			if f.detachable && dialer.Detached(ctx) {
				return dialer.Outcome{}, dialer.ErrDetached
			}
			f.line.hangUp(ctx)
		}
	}
}

func (l *line) look() view {
	l.carrier.mu.Lock()
	defer l.carrier.mu.Unlock()
	if l.changed == nil && !l.isOver {
		l.changed = make(chan struct{})
	}
	return view{l.stage, l.placedAt, l.outcome, l.isOver, l.changed}
}

// hangUp decides under the lock whether the call had connected, so that the reason
// and the times in the outcome agree.
func (l *line) hangUp(ctx context.Context) {
	l.carrier.mu.Lock()
	defer l.carrier.mu.Unlock()
	if !l.isOver {
		l.end(dialer.HangUpReason(ctx, l.stage == dialer.Connected), time.Now())
	}
}

// fail is the faults that hit the caller once the phone rings.
func (f *follower) fail(v view) error {
	if v.stage < dialer.Ringing {
		return nil
	}
	if f.fault&PanicWhileRinging != 0 {
		panic("fake: told to panic while the phone rings")
	}
	if f.fault&LoseReply != 0 {
		return errors.New("the reply of the fake carrier was lost")
	}
	return nil
}

// tell reports the stages that the caller does not know yet.
func (f *follower) tell(v view) {
	if f.fault&ReportReversed != 0 {
		f.tellReversed(v)
		return
	}
	for f.told < v.stage {
		f.told++
		f.report(v.progress(f.told))
		if f.fault&ReportTwice != 0 {
			f.report(v.progress(f.told))
		}
	}
}

func (f *follower) tellReversed(v view) {
	if !v.isOver {
		return
	}
	for stage := v.stage; stage >= dialer.Accepted; stage-- {
		f.report(v.progress(stage))
	}
}

// tellLate reports the last stage again after the caller has the outcome.
func (f *follower) tellLate(v view) {
	c, report := f.line.carrier, f.report
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isClosed {
		return // Close may be waiting for these already
	}
	c.late.Go(func() {
		timer := time.NewTimer(reportedLateBy)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.closed:
		}
		report(v.progress(v.stage))
	})
}

func (v view) progress(stage dialer.Stage) dialer.Progress {
	p := dialer.Progress{Stage: stage, At: v.placedAt, Ref: v.outcome.Ref}
	switch stage {
	case dialer.Accepted:
	case dialer.Ringing:
		p.At = v.outcome.RangAt
	case dialer.Connected:
		p.At = v.outcome.ConnectedAt
	}
	return p
}

package twilio

import (
	"context"
	"errors"
	"time"

	"github.com/outdial/outdial/dialer"
)

// next is what is to be done, and when, unless something happens before.
type next struct {
	at     time.Time
	poll   bool             // ask; else end the call
	status string           // with this status
	reason dialer.EndReason // for this reason
	isWait bool             // because it waited at Twilio for too long
}

func (f *follower) next(k known) next {
	due := next{at: f.polls.next(f, k), poll: true}
	for _, n := range f.limits(k) {
		if n.at.Before(due.at) {
			due = n
		}
	}
	return due
}

// limits are the times at which the call is ended. A ring timeout must not cut off a callee
// who has just answered.
func (f *follower) limits(k known) []next {
	ring := f.attempt.call.RingTimeout
	switch {
	case k.rank == isUp:
		return f.limitsOfTalk(k)
	case f.spared: // the news that it was answered is on its way
	case k.dialledAt.IsZero():
		return []next{{
			at: k.placedAt.Add(f.dialer.config.Timing.Queue), status: canceled, reason: dialer.DialNoAnswer, isWait: true,
		}}
	case ring > 0:
		return []next{{at: k.dialledAt.Add(ring), status: canceled, reason: dialer.DialNoAnswer}}
	}
	return nil
}

func (f *follower) limitsOfTalk(k known) []next {
	var ns []next
	if most := f.attempt.call.MaxDuration; most > 0 {
		at := k.connectedAt.Add(most)
		if k.guessed {
			at = at.Add(f.attempt.call.RingTimeout) // Twilio's own limit comes before
		}
		ns = append(ns, next{at: at, status: completed, reason: dialer.MaxDuration})
	}
	reason := k.stream.reason()
	if reason == "" || k.streamedAt.IsZero() || (k.stream == broken && !k.isCut) {
		return ns
	}
	at := k.streamedAt
	if k.stream == agentHungUp {
		at = at.Add(f.dialer.config.Timing.Settle) // it ends by itself
	}
	return append(ns, next{at: at, status: completed, reason: reason})
}

// carryOut ends the call because of a limit, unless that comes too late.
func (f *follower) carryOut(ctx context.Context, n next) (isOver bool, o dialer.Outcome, err error) {
	if n.isWait && f.isDialled(ctx) {
		f.polls.again(f.dialer.config.Timing) // its callbacks are late, or lost
		return false, dialer.Outcome{}, nil
	}
	isEnded, err := f.hangUp(ctx, n.status)
	switch {
	case err != nil:
		return true, dialer.Outcome{}, err
	case !isEnded:
		f.spared = true
		return false, dialer.Outcome{}, nil
	case n.isWait:
		o, err = f.takenBack(ctx)
	default:
		o, err = f.ended(func(bool) dialer.EndReason { return n.reason }, n.status)
	}
	return true, o, err
}

// isDialled asks whether a call really waits, or whether its callbacks are lost.
func (f *follower) isDialled(ctx context.Context) bool {
	k, _ := f.attempt.look()
	asking, cancel := outliving(ctx, grace)
	defer cancel()
	if r, err := f.dialer.account.fetch(asking, k.sid); err == nil {
		f.attempt.apply(eventOf(r))
	}
	k, _ = f.attempt.look()
	return !k.dialledAt.IsZero() || k.rank == isFinal
}

// takenBack is the end of a call that waited at Twilio for too long. If Twilio says that it was
// never dialled, it may be placed again.
func (f *follower) takenBack(ctx context.Context) (dialer.Outcome, error) {
	k, _ := f.attempt.look()
	asking, cancel := outliving(ctx, grace)
	defer cancel()
	r, err := f.dialer.account.fetch(asking, k.sid)
	isUntouched := err == nil && r.status == canceled && r.dialled.IsZero() && k.dialledAt.IsZero() && k.rangAt.IsZero()
	if k.rank != isFinal || !isUntouched {
		return f.ended(func(bool) dialer.EndReason { return dialer.DialNoAnswer }, canceled)
	}
	f.dialer.calls.finish(f.attempt)
	return dialer.Outcome{}, &dialer.UnavailableError{Cause: errors.New("calls wait at Twilio instead of being dialled")}
}

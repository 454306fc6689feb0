package batch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/outdial/outdial/dialer"
)

// place begins a call, or takes up one that goes on, in a goroutine of its own that ends
// with it.
func (l *loop) place(p *placement, resume bool) {
	// Not the loop's context: a call is ended for a reason, and that is its context's cause.
	ctx, cancel := context.WithCancelCause(context.Background())
	l.live[p.call.ID] = func(cause error) {
		if dialerDetached(cause) && !l.s.canResume(p.carrier) { // there is nobody to leave the call to
			cause = dialer.HangUp(dialer.APICancelled)
		}
		cancel(cause)
	}
	p.carrier.hold()
	l.calls.begin(func() {
		defer p.carrier.drop()
		defer cancel(nil)
		l.follow(ctx, p, resume)
	})
}

// follow stays with a call until its dialer says that it is over, or is gone.
func (l *loop) follow(ctx context.Context, p *placement, resume bool) {
	r := reporter{l: l, id: p.call.ID}
	o, err := dialer.Outcome{}, errPanic // unless guard returns: a dialer can end its goroutine
	defer func() {
		r.close()
		l.post(func(now time.Time) {
			delete(l.live, p.call.ID)
			l.sched.returned(p, o, err, now)
		})
	}()
	switch now := l.sys.now(); {
	case resume:
		o, err = l.resume(ctx, p, r.report)
	case !l.s.leased(now): // the process has stood still, and others may have taken it over
		err = errLeaseOver
	default: // not a step deeper than need be: it is the stack of every call
		p.start.use(now)
		o, err = l.guard(ctx, p, p.carrier.dialer.Dial, r.report)
	}
}

// resume asks the carrier what becomes of a call until it can tell, or the call's time is up. An
// answer that cannot be had now says nothing of the call, which may well go on. It asks once more when
// the call is to end, since only the carrier can end it.
func (l *loop) resume(ctx context.Context, p *placement, report func(dialer.Progress)) (dialer.Outcome, error) {
	const most = 30 * time.Second
	p = &placement{call: l.complete(p.call), carrier: p.carrier} //nolint:contextcheck // see complete
	for wait := time.Second; ; wait = min(2*wait, most) {
		last := ctx.Err() != nil
		o, err := l.guard(ctx, p, p.carrier.resumer.Resume, report)
		if last || !untold(err) {
			return o, err
		}
		l.logger().WarnContext(ctx, "the carrier cannot say what becomes of a call; asking again", "call", p.call.ID,
			"carrier", p.carrier.name, "wait", wait, "error", err)
		l.sys.wait(ctx, nil, l.sys.now().Add(wait))
	}
}

// complete adds to a call that was taken over what was not known then, since all calls wait for that: who talks in it,
// and how long it may ring and last. Nobody is asked here: the loop reads its batch and asks for its agent as for those
// of all others, and hundreds may be taken over at once. Where it is not learned soon, the call does without.
func (l *loop) complete(c dialer.Call) dialer.Call {
	const first, most = 5 * time.Millisecond, time.Second
	// Whoever hangs up waits for it, too: it is over well before the engine gives up on a dialer.
	until := l.sys.now().Add(min(l.s.e.cfg.StoreTimeout, l.s.e.cfg.Grace/2))
	for wait := first; ; wait = min(2*wait, most) {
		now := l.sys.now()
		if l.completed(&c) || !now.Before(until) {
			return c
		}
		l.sys.wait(context.Background(), nil, earliest(until, now.Add(wait)))
	}
}

func (l *loop) completed(c *dialer.Call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := l.sched.jobs[c.Batch]
	if j == nil || j.batch.AgentID == "" { // it was taken over without its batch
		return false
	}
	c.RingTimeout, c.MaxDuration = j.batch.RingTimeout, j.batch.MaxDuration
	x := l.book.said[question{anAgent, c.Agent.ID}]
	if x == nil || x.begun.IsZero() {
		return false
	}
	if agent, ok := l.book.agents[c.Agent.ID]; ok {
		c.Agent = agent
	}
	return true
}

// untold says that an error of Resume is none of the answers there are.
func untold(err error) bool {
	if _, busy := errors.AsType[*dialer.UnavailableError](err); busy {
		return true
	}
	for _, answer := range []error{dialer.ErrUnknownCall, dialer.ErrNotPlaced, dialer.ErrDetached, errPanic} {
		if errors.Is(err, answer) {
			return false
		}
	}
	return err != nil
}

type dialFunc func(context.Context, dialer.Call, func(dialer.Progress)) (dialer.Outcome, error)

// guard makes a panic of the dialer, or of an error that it returns, cost one call and
// nothing else.
func (l *loop) guard(ctx context.Context, p *placement, dial dialFunc, report func(dialer.Progress)) (
	o dialer.Outcome, err error,
) {
	defer func() {
		if r := recover(); r != nil {
			o, err = dialer.Outcome{}, fmt.Errorf("%w: %v", errPanic, r)
			l.logger().ErrorContext(ctx, "a dialer panicked", "call", p.call.ID, "carrier", p.carrier.name,
				"panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	o, err = dial(ctx, p.call, report)
	return o, plain(err)
}

// reporter passes on the progress of one call: each stage once, in order, and nothing once
// the dialer has returned, whatever the dialer does.
type reporter struct {
	l  *loop
	id string

	mu     sync.Mutex
	stage  dialer.Stage
	ref    string
	closed bool
}

func (r *reporter) report(p dialer.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.Stage > dialer.Connected { // there is none behind it: this is no stage
		p.Stage = 0
	}
	news := p.Stage > r.stage || (p.Ref != "" && p.Ref != r.ref)
	if r.closed || !news {
		return
	}
	r.stage = max(r.stage, p.Stage)
	if p.Ref != "" {
		r.ref = p.Ref
	}
	r.l.post(func(now time.Time) { r.l.sched.progress(r.id, p, now) })
}

func (r *reporter) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

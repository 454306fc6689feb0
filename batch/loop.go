package batch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// loop runs the scheduler of one organisation: it brings it what happened, takes each step
// to the store and places the calls. It exists as long as the organisation has something
// to do here. While one step is on its way to the store, what happens gathers in
// the inbox, so under load one commit serves hundreds of calls.
type loop struct {
	s   *session
	sys system
	org *orgState

	mu    sync.Mutex // guards sched, inbox and book
	sched scheduler
	inbox []message
	dirty bool // others changed something: read it

	doubts bool // calls may be this node's without it knowing: see doubt; guarded by mu

	storeError error // why the last step has not been written yet; guarded by mu

	bell  *bell // there is something in the inbox
	calls *group
	live  map[string]context.CancelCauseFunc // by call id; only the loop's goroutine uses it

	rev    int64 // the store's revision that is known; guarded by mu
	loaded bool  // the open batches were read
	book   directoryBook
	lost   bool // the node's lease has run out
}

// message is something that happened, to be told to the scheduler.
type message func(now time.Time)

func (l *loop) logger() *slog.Logger {
	return l.s.e.cfg.Logger.With("org", l.org.id, "node", l.s.node.ID)
}

// ring has the loop take a turn. It does not block.
func (l *loop) ring() { l.bell.ring() }

// post has the loop tell m to the scheduler at its next turn. It does not block.
func (l *loop) post(m message) {
	l.mu.Lock()
	l.inbox = append(l.inbox, m)
	l.mu.Unlock()
	l.ring()
}

// changed tells that the store has news of the organisation.
func (l *loop) changed() {
	l.mu.Lock()
	l.dirty = true
	l.mu.Unlock()
	l.ring()
}

// run takes turns until ctx ends or there is nothing left to do.
func (l *loop) run(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	defer stop() // what the directory is asked
	defer l.drop()
	for ctx.Err() == nil {
		again := l.turn(ctx)
		if l.lost || l.drained() || (again.IsZero() && l.s.retire(l)) {
			return
		}
		l.sys.wait(ctx, l.bell, again)
	}
}

// drained says that the engine stops and that nothing is left here to wait for.
func (l *loop) drained() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sched.draining && len(l.sched.calls) == 0 && len(l.sched.events) == 0 && len(l.inbox) == 0
}

// drop lets go of the calls that are still placed when the loop ends before they do.
func (l *loop) drop() {
	for id := range l.live {
		l.hangUp(id, dialer.ErrDetached)
	}
}

// release frees what the calls of a loop that has ended still hold. Calls that go on
// without this process are counted again by whoever takes them over.
func (l *loop) release() {
	now := l.sys.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = true // what was taken over and not begun yet is the next owner's
	l.deliver(now)
	l.sched.undo(now)
	for _, a := range inOrder(l.sched.calls) {
		l.sched.abandon(a, now)
	}
	for _, j := range l.sched.jobs {
		l.sched.forget(j)
	}
	l.sched.draining = true
	l.sched.retireSeats()
}

// turn does everything there is to do now and returns when to take the next one at the
// latest; zero: when the bell rings.
func (l *loop) turn(ctx context.Context) time.Time {
	wakeAt, blind := l.wakeAt, false
	if err := l.refresh(ctx); err != nil {
		l.logger().WarnContext(ctx, "reading from the store failed", "error", err)
		blind = true // how calls ended can be written all the same
		wakeAt = func() time.Time { return l.sys.now().Add(l.s.e.cfg.PollInterval) }
	}
	l.consult(ctx)
	step, err := l.next(blind)
	if err != nil {
		l.logger().ErrorContext(ctx, "planning failed", "error", err)
		return l.sys.now().Add(l.s.e.cfg.PollInterval)
	}
	if len(step.Events) == 0 && len(step.Claims) == 0 {
		return wakeAt()
	}
	res, ok := l.advance(ctx, step)
	if !ok {
		return time.Time{}
	}
	l.apply(ctx, step, res)
	return wakeAt()
}

// next brings the scheduler up to date and has it plan. blind says that it does not know what others wrote.
func (l *loop) next(blind bool) (store.Step, error) {
	now := l.sys.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	ready := l.s.ready.Load() // first: what was taken over before it is in the inbox by then
	l.deliver(now)
	l.learn(now)
	l.sched.held = blind || !ready || l.outdated(now) || !l.s.leased(now)
	step, err := l.sched.plan(now, int(l.org.reserved.Load()))
	l.endCalls()
	return step, err
}

func (l *loop) deliver(now time.Time) {
	const most = 1000
	for _, m := range l.inbox { // none is added meanwhile, as the caller holds mu
		m(now)
	}
	clear(l.inbox)
	if l.inbox = l.inbox[:0]; cap(l.inbox) > most {
		l.inbox = nil // it would rather be in the way
	}
}

func (l *loop) endCalls() {
	for _, h := range l.sched.hangUps {
		l.hangUp(h.call, h.cause)
	}
	l.sched.hangUps = l.sched.hangUps[:0]
}

// hangUp ends a call, with a cause that says why.
func (l *loop) hangUp(id string, cause error) {
	if cancel := l.live[id]; cancel != nil {
		cancel(cause)
	}
}

// advance takes a step to the store until the store has it. After an error it may have it
// already, so it is the same step that is sent again, and no other one before.
func (l *loop) advance(ctx context.Context, step store.Step) (store.Advanced, bool) {
	const first, most = 10 * time.Millisecond, 2 * time.Second
	for wait := first; ; wait = min(2*wait, most) {
		res, err := l.advanceOnce(ctx, step)
		switch {
		case err == nil:
			l.setStoreError(nil)
			return res, true
		case errors.Is(err, store.ErrNotOwner):
			l.lost = true
			l.s.fence()
			return store.Advanced{}, false
		}
		l.setStoreError(err)
		l.logger().WarnContext(ctx, "writing to the store failed, trying again", "error", err, "wait", wait)
		step.Replay = true
		l.s.unsure.Store(true) // a try that was given up may be written yet, after the others
		l.sys.wait(ctx, nil, l.sys.now().Add(wait))
		if ctx.Err() != nil {
			return store.Advanced{}, false
		}
	}
}

func (l *loop) advanceOnce(ctx context.Context, step store.Step) (store.Advanced, error) {
	ctx, cancel := l.sys.timeout(context.WithoutCancel(ctx), l.s.e.cfg.StoreTimeout)
	defer cancel()
	return l.s.e.cfg.Store.Advance(ctx, step)
}

func (l *loop) setStoreError(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.storeError = err; err != nil {
		l.sched.yieldSeats()
	}
}

// apply tells the scheduler what came of a step and places the calls.
func (l *loop) apply(ctx context.Context, step store.Step, res store.Advanced) {
	l.mu.Lock()
	starts := l.sched.advanced(step, res, l.sys.now())
	l.sched.retireSeats() // others may have claimed the last ones: this may be the loop's last turn
	l.endCalls()
	if res.PrevRev == l.rev {
		l.rev = res.Rev
	} else {
		l.dirty = true // others wrote in between
		l.ring()
	}
	l.mu.Unlock()
	for _, id := range res.Lost {
		l.logger().WarnContext(ctx, "a call was taken over by another node, or its end was written before", "call", id)
	}
	l.placeAll(starts) //nolint:contextcheck // a call outlives the loop that began it: see place
	l.forgetEnded(step)
	if res.Rev != res.PrevRev {
		ids := make([]string, len(res.Batches))
		for i, b := range res.Batches {
			ids[i] = b.ID
		}
		l.s.e.feed.changed(l.org.id, ids...)
	}
}

// placeAll places what a step has claimed or moved, unless it may not be placed any more. Then it is queued again.
func (l *loop) placeAll(starts []*placement) {
	var why error
	switch now := l.sys.now(); {
	case !l.s.leased(now): // others may have taken them over
		why = errLeaseOver
	case l.s.stops(): // it began to while the step was on its way
		why = errStopping
	default:
		for _, p := range starts {
			l.place(p, false)
		}
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range starts {
		l.sched.ended(p.call.ID, dialer.Outcome{}, why, l.sys.now())
	}
}

func (l *loop) forgetEnded(step store.Step) {
	for i := range step.Events {
		ev := &step.Events[i]
		if !ev.Status.InFlight() {
			delete(l.live, ev.CallID)
		}
	}
}

// wakeAt returns when the next turn is due.
func (l *loop) wakeAt() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.sched.wakeAt(l.sys.now())
	if l.dirty || l.sched.more || len(l.inbox) > 0 || len(l.sched.events) > 0 {
		l.ring()
	}
	at = earliest(at, l.askAt(l.sys.now()))
	switch {
	case at.IsZero() && l.sched.idle():
		return at
	case at.IsZero():
		return l.sys.now().Add(time.Hour) // the bell will ring before
	}
	return at // with its monotonic part, which truncating would cut off: somebody may set the clock
}

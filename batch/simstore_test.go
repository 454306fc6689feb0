package batch

import (
	"context"
	"errors"
	"time"
)

var errSimStore = errors.New("the connection to the store broke")

// nodeStore is the store as one process reaches it: over a network.
type nodeStore struct{ p *simProc }

// request is a call of the store on its way.
type request struct {
	n      *nodeStore
	what   string
	effect simEffect
	fate   requestFate
	task   *simTask
	turn   uint32 // of the task that waits for the answer
	done   bool
	left   bool // nobody waits for it any more
	users  int  // who has it: who waits for it, and what is on its way
	err    error
}

// simEffect is what a request does at the store.
type simEffect interface {
	happen() error // in one moment
	forget()       // nobody has it any more
}

// storeCall is a request with what is asked and what is answered.
type storeCall[Q, R any] struct {
	request

	asked Q
	got   R
	do    func(*storeCall[Q, R]) error // it captures nothing, so that it is no garbage
	kind  *pile[storeCall[Q, R]]
}

func (c *storeCall[Q, R]) happen() error { return c.do(c) }
func (c *storeCall[Q, R]) forget()       { c.kind.put(c) }

// release is for who has the request and needs it no more. One whose task was killed keeps it.
func (r *request) release() {
	if r.users--; r.users == 0 {
		r.effect.forget()
	}
}

// ask takes a request to the store and returns its answer: also with an error, what was answered.
func ask[Q, R any](
	ctx context.Context, n *nodeStore, kind *pile[storeCall[Q, R]], what string, asked Q, do func(*storeCall[Q, R]) error,
) (R, error) {
	c := kind.take()
	*c = storeCall[Q, R]{asked: asked, do: do, kind: kind}
	c.n, c.what, c.effect, c.users = n, what, c, 1
	err := n.call(ctx, &c.request)
	c.left = true
	got := c.got
	c.release()
	return got, err
}

// fate of a request.
type requestFate struct {
	there, back time.Duration // before it takes effect, and until the answer arrives
	kind        faultKind     // faultKinds: none
}

// drawFate decides what becomes of a request.
func (n *nodeStore) drawFate() requestFate {
	w := n.p.w
	f := requestFate{
		there: time.Duration(100+w.rng.IntN(2000)) * time.Microsecond,
		back:  time.Duration(100+w.rng.IntN(1000)) * time.Microsecond,
		kind:  faultKinds,
	}
	if !w.faults.active {
		return f
	}
	if n.p.slot != nil && n.p.slot.cut {
		f.kind = pick(w.rng, storeLost, storeLost, storeReplyLost, storeLate)
	} else if w.chance(60 / w.prof.storm) {
		f.kind = faultKind(w.rng.IntN(int(storeSlow) + 1))
		if !w.prof.on[f.kind] {
			f.kind = faultKinds
		}
	}
	switch f.kind { //nolint:exhaustive // of the others it is known when they happen
	case storeSlow:
		f.there = w.between(0, 2*w.prof.storeTimeout)
	case storeLate:
		f.there = w.prof.storeTimeout + w.between(0, simLatest)
	}
	if f.kind < faultKinds {
		n.p.troubled = w.now
		w.seen.fault(f.kind)
	}
	return f
}

// simLatest is how long after it was given up a request may still arrive.
const simLatest = 5 * time.Minute

// call takes a request to the store and waits for the answer.
func (n *nodeStore) call(ctx context.Context, r *request) error {
	w, t := n.p.w, n.p.w.current
	if t == nil || t.killed {
		panic(errKilled)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.task, r.turn, r.fate = t, t.turn, n.drawFate()
	if r.fate.kind != storeLost {
		r.users++
		w.act(r.fate.there, r)
	}
	t.waiting = ctx
	if c, ok := ctx.(*simTimeout); ok && (r.fate.kind < faultKinds || w.now+int64(r.fate.there+r.fate.back) >= c.end) {
		w.wakeAt(t, c.end)
	}
	w.suspend(t) //nolint:contextcheck // what goes on meanwhile is not the caller's
	switch {
	case r.done:
		return r.err
	case ctx.Err() != nil:
		if w.telling() {
			w.tell("%s gives up: %s", n.p.name, r.what)
		}
		return ctx.Err()
	}
	return errSimStore
}

// act is where the request arrives at the store.
func (r *request) act() {
	defer r.release()
	if r.fate.kind == storeErrBefore {
		r.answer(errSimStore)
		return
	}
	p := r.n.p
	err := r.effect.happen()
	if p.w.telling() {
		p.w.tell("%s store: %s %s", p.name, r.what, outcomeText(err))
	}
	switch {
	case r.fate.kind == storeReplyLost:
		return
	case r.fate.kind == storeErrAfter:
		err = errSimStore
	case r.fate.kind == storeLate && err == nil:
		p.w.seen.branch(lateCommit)
	}
	r.answer(err)
	p.crashAt(nodeCrashAtCommit, r.what)
	if p.claimed {
		p.claimed = false
		p.pauseAt(nodePauseAtClaim, r.fate.back)
	}
}

// answer has the task go on with an answer, if it still waits for one.
func (r *request) answer(err error) {
	if !r.task.over && r.task.turn == r.turn {
		r.done, r.err = true, err
		w := r.n.p.w
		w.wakeAt(r.task, w.now+int64(r.fate.back))
	}
}

func outcomeText(err error) string {
	if err == nil {
		return "done"
	}
	return err.Error()
}

package batch

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/outdial/outdial/store"
)

var errSimStore = errors.New("the connection to the store broke")

// nodeStore is the store as one process reaches it: over a network.
type nodeStore struct{ p *simProc }

// request is a call of the store on its way.
type request struct {
	n      *nodeStore
	what   string
	effect func() error // what it does there, in one moment
	fate   requestFate
	task   *simTask
	turn   uint32 // of the task that waits for the answer
	done   bool
	err    error
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
func (n *nodeStore) call(ctx context.Context, what string, effect func() error) error {
	w, t := n.p.w, n.p.w.current
	if t == nil || t.killed {
		panic(errKilled)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r := w.requests.new()
	r.n, r.what, r.effect, r.task, r.turn, r.fate = n, what, effect, t, t.turn, n.drawFate()
	if r.fate.kind != storeLost {
		w.act(r.fate.there, r)
	}
	t.waiting = ctx
	if c, ok := ctx.(*simTimeout); ok && (r.fate.kind < faultKinds || w.now+int64(r.fate.there+r.fate.back) >= c.end) {
		w.wakeAt(t, c.end)
	}
	w.suspend(t)
	switch {
	case r.done:
		return r.err
	case ctx.Err() != nil:
		if w.telling() {
			w.tell("%s gives up: %s", n.p.name, what)
		}
		return ctx.Err()
	}
	return errSimStore
}

// act is where the request arrives at the store.
func (r *request) act() {
	if r.fate.kind == storeErrBefore {
		r.answer(errSimStore)
		return
	}
	p := r.n.p
	err := r.effect()
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

func (n *nodeStore) CreateBatch(ctx context.Context, b store.Batch, rs []store.NewRecipient) (got store.Batch, err error) {
	err = n.call(ctx, "create", func() (err error) {
		got, err = n.p.w.store.CreateBatch(context.WithoutCancel(ctx), b, rs)
		if err == nil {
			n.p.w.ledger.created(got)
		}
		return err
	})
	return got, err
}

func (n *nodeStore) Batch(ctx context.Context, org, id string) (got store.Batch, err error) {
	err = n.call(ctx, "batch", func() (err error) {
		got, err = n.p.w.store.Batch(context.WithoutCancel(ctx), org, id)
		if err == nil {
			n.p.w.ledger.saw(got)
		}
		return err
	})
	return got, err
}

func (n *nodeStore) Batches(ctx context.Context, q store.BatchQuery) (got []store.Batch, err error) {
	err = n.call(ctx, "batches", func() (err error) {
		got, err = n.p.w.store.Batches(context.WithoutCancel(ctx), q)
		for i := range got {
			n.p.w.ledger.saw(got[i])
		}
		return err
	})
	return got, err
}

func (n *nodeStore) Recipients(ctx context.Context, q store.RecipientQuery) (got []store.Recipient, err error) {
	err = n.call(ctx, "recipients", func() (err error) {
		got, err = n.p.w.store.Recipients(context.WithoutCancel(ctx), q)
		return err
	})
	return got, err
}

func (n *nodeStore) Calls(ctx context.Context, q store.CallQuery) (got []store.Call, err error) {
	err = n.call(ctx, "calls", func() (err error) {
		got, err = n.p.w.store.Calls(context.WithoutCancel(ctx), q)
		return err
	})
	return got, err
}

func (n *nodeStore) Call(ctx context.Context, org, id string) (got store.Call, err error) {
	err = n.call(ctx, "call", func() (err error) {
		got, err = n.p.w.store.Call(context.WithoutCancel(ctx), org, id)
		return err
	})
	return got, err
}

func (n *nodeStore) Change(ctx context.Context, org, id string, c store.Change) (got store.Batch, err error) {
	err = n.call(ctx, "change", func() (err error) {
		got, err = n.p.w.store.Change(context.WithoutCancel(ctx), org, id, c)
		if err == nil {
			n.p.w.ledger.changed(n.p, got, c)
		}
		return err
	})
	return got, err
}

func (n *nodeStore) Active(ctx context.Context) (got []store.ActiveOrg, err error) {
	err = n.call(ctx, "active", func() (err error) {
		got, err = n.p.w.store.Active(context.WithoutCancel(ctx))
		slices.SortFunc(got, func(a, b store.ActiveOrg) int { return cmp.Compare(a.Org, b.Org) })
		return err
	})
	return got, err
}

func (n *nodeStore) Advance(ctx context.Context, step store.Step) (got store.Advanced, err error) {
	w := n.p.w
	if !step.Replay {
		w.ledger.issued(n.p, &step)
	}
	givenUp := false
	err = n.call(ctx, "advance", func() (err error) {
		got, err = w.store.Advance(context.WithoutCancel(ctx), step)
		if err == nil {
			w.ledger.advanced(n.p, &step, &got)
			if !givenUp { // else it was planned by what was true long ago
				w.ledger.weighed(n.p, &step, &got)
			}
			n.p.claimed = len(got.Claimed) > 0
		}
		return err
	})
	if givenUp = true; err == nil {
		w.ledger.answered(&step, &got)
	}
	return got, err
}

func (n *nodeStore) Heartbeat(ctx context.Context, node store.Node, lease time.Duration) error {
	n.p.tells(node)
	return n.call(ctx, "heartbeat", func() error {
		err := n.p.w.store.Heartbeat(context.WithoutCancel(ctx), node, lease)
		n.p.node = node.ID
		if n.p.w.telling() {
			n.p.w.tell("%s tells its shares: %v", n.p.name, node.Shares)
		}
		if err == nil {
			n.p.w.ledger.leased(node, lease)
		}
		return err
	})
}

func (n *nodeStore) Adopt(ctx context.Context, node string, limit int) (got []store.Claimed, err error) {
	err = n.call(ctx, "adopt", func() (err error) {
		got, err = n.p.w.store.Adopt(context.WithoutCancel(ctx), node, limit)
		if err == nil {
			n.p.w.ledger.adopted(node, got)
		}
		return err
	})
	if err == nil {
		n.p.w.ledger.orphaned(n.p, got)
	}
	return got, err
}

func (n *nodeStore) Nodes(ctx context.Context) (got []store.Node, err error) {
	err = n.call(ctx, "nodes", func() (err error) {
		got, err = n.p.w.store.Nodes(context.WithoutCancel(ctx))
		return err
	})
	return got, err
}

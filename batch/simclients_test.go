package batch

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// simClients ask for batches, and change their minds.
type simClients struct {
	left    int // batches to be created yet
	busy    int // requests that somebody waits for
	numbers int
	keys    int
	latest  []*simCall // that were claimed
	resting map[*simBatch]int64
}

func (w *simWorld) beginClients() {
	c := &w.clients
	c.resting = map[*simBatch]int64{}
	for left := w.prof.recipients; left > 0; {
		n := min(left, 1+w.rng.IntN(80))
		left -= n
		c.left++
		at := w.between(0, w.prof.faultTime/2)
		if w.chance(2) {
			at = w.between(0, time.Minute)
		}
		w.do(at, func() { w.createBatch(n) })
	}
	w.askAgain()
}

// askAgain has somebody ask for a change now and then.
func (w *simWorld) askAgain() {
	every := w.prof.scaled(3*time.Minute) / time.Duration(w.prof.storm)
	w.do(w.between(every/10, every*2), func() {
		if !w.faults.active {
			return
		}
		if n := len(w.ledger.order); n > 0 {
			w.askFor(w.ledger.order[w.rng.IntN(n)])
		}
		w.askAgain()
	})
}

// request is carried out by some process, at its engine. done is told how it went; when the process
// was killed meanwhile, that it is unknown.
func (w *simWorld) request(what string, ask func(ctx context.Context, e *Engine) error, done func(error)) {
	w.clients.busy++
	answer := func(err error) {
		w.clients.busy--
		w.tell("%s: %s", what, outcomeText(err))
		if done != nil {
			done(err)
		}
	}
	p := w.someProc()
	if p == nil {
		w.do(5*time.Second, func() { answer(errSimUnknown) })
		return
	}
	t := w.spawn(p, func() {
		err := errSimUnknown
		defer func() { w.do(0, func() { answer(err) }) }()
		ctx, cancel := simSystem{p}.timeout(context.Background(), w.between(time.Second, 2*time.Minute))
		defer cancel()
		w.tell("%s asks for: %s", p.name, what)
		err = ask(ctx, p.engine)
	})
	t.client = true
	t.dropped = func() { w.do(0, func() { answer(errSimUnknown) }) }
}

var errSimUnknown = errors.New("nobody answered")

func (w *simWorld) createBatch(n int) {
	c, o := &w.clients, w.orgs[w.rng.IntN(len(w.orgs))]
	r := Request{
		Name: fmt.Sprint("batch ", c.left), AgentID: fmt.Sprint("agent", w.rng.IntN(4)/3), NumberID: "number",
		Weight: w.rng.IntN(4), RingTimeout: pick(w.rng, 0, 20*time.Second, 30*time.Second),
		MaxDuration: pick(w.rng, time.Minute, 3*time.Minute, 10*time.Minute), Paused: w.chance(8),
	}
	if w.prof.regions {
		r.Region = pick(w.rng, "US", "EU")
	}
	if w.chance(2) {
		r.Target = 1 + w.rng.IntN(max(o.limit, 1))
	}
	if w.chance(2) {
		c.keys++
		r.Key = fmt.Sprint("key", c.keys)
	}
	later := w.between(time.Minute, w.prof.scaled(90*time.Minute))
	scheduled := w.chance(3)
	for range n {
		c.numbers++
		r.Recipients = append(r.Recipients, RecipientRequest{To: fmt.Sprintf("+1415555%04d", c.numbers)})
	}
	w.create(o, r, scheduled, later, 30)
}

// create repeats a request under its key until it is answered.
func (w *simWorld) create(o *simOrg, r Request, scheduled bool, later time.Duration, tries int) {
	w.request(fmt.Sprintf("%d recipients for %s", len(r.Recipients), o.name), func(ctx context.Context, e *Engine) error {
		if scheduled {
			r.ScheduledAt = e.sys.now().Add(later).Round(0)
			scheduled = false // the same request again, whoever takes it
		}
		_, err := e.Create(ctx, o.name, r)
		return err
	}, func(err error) {
		_, invalid := errors.AsType[*InvalidError](err)
		if err == nil || r.Key == "" || invalid || tries == 0 {
			w.clients.left--
			return
		}
		w.do(w.between(time.Second, 20*time.Second), func() { w.create(o, r, scheduled, later, tries-1) })
	})
}

// askFor asks for some change of a batch.
func (w *simWorld) askFor(k *simBatch) {
	switch w.rng.IntN(12) {
	case 0:
		w.request("cancel "+k.id, func(ctx context.Context, e *Engine) error {
			b, err := e.Cancel(ctx, k.org, k.id)
			if err == nil && b.Counts.Queued > 0 {
				w.fail("Cancel of %s returned while %d recipients are queued", k.id, b.Counts.Queued)
			}
			return err
		}, nil)
	case 1:
		w.request("pause "+k.id, func(ctx context.Context, e *Engine) error {
			_, err := e.Pause(ctx, k.org, k.id)
			return err
		}, func(error) { w.do(w.between(0, 10*time.Minute), func() { w.resumeBatch(k) }) })
	case 2, 3, 4:
		n := 1 + w.rng.IntN(w.prof.mostLimit)
		w.request(fmt.Sprint("target ", n, " of ", k.id), func(ctx context.Context, e *Engine) error {
			_, err := e.SetTarget(ctx, k.org, k.id, n)
			return err
		}, nil)
	case 5, 6, 7:
		w.retryBatch(k)
	default:
		w.cancelCall()
	}
}

func (w *simWorld) resumeBatch(k *simBatch) {
	w.request("resume "+k.id, func(ctx context.Context, e *Engine) error {
		_, err := e.Resume(ctx, k.org, k.id)
		return err
	}, nil)
}

func (w *simWorld) retryBatch(k *simBatch) {
	if w.clients.resting[k] > w.now {
		return
	}
	k.retries++
	if w.chance(2) {
		w.seen.branch(retriedPlain)
		w.request("retry "+k.id, func(ctx context.Context, e *Engine) error {
			_, err := e.Retry(ctx, k.org, k.id)
			return err
		}, nil)
		return
	}
	w.clients.keys++
	w.clients.resting[k] = 1 << 62
	w.seen.branch(retriedByKey)
	w.retryByKey(k, fmt.Sprint("retry", w.clients.keys), 3)
}

// retryByKey asks again under the same key, also after it was answered. As long as one may still be
// under way nobody uses another key, under which both would be carried out.
func (w *simWorld) retryByKey(k *simBatch, key string, tries int) {
	w.request("retry "+k.id+" under "+key, func(ctx context.Context, e *Engine) error {
		_, _, err := e.RetryOnce(ctx, k.org, k.id, key)
		return err
	}, func(error) {
		if tries == 0 || !w.faults.active {
			w.clients.resting[k] = w.now + int64(2*simLatest+2*w.prof.storeTimeout)
			return
		}
		w.do(w.between(time.Second, 2*time.Minute), func() { w.retryByKey(k, key, tries-1) })
	})
}

func (w *simWorld) cancelCall() {
	if len(w.clients.latest) == 0 {
		return
	}
	c := w.clients.latest[max(0, len(w.clients.latest)-1-w.rng.IntN(10))]
	w.request("end "+c.id, func(ctx context.Context, e *Engine) error {
		return e.CancelCall(ctx, c.batch.org, c.id)
	}, nil)
}

// unpauseAll resumes what is paused, until nothing is.
func (w *simWorld) unpauseAll() {
	for _, k := range w.ledger.order {
		if k.paused && !k.over {
			w.resumeBatch(k)
		}
	}
	w.do(time.Minute, w.unpauseAll)
}

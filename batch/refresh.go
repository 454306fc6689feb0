package batch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// directoryBook is what the host's directory said, for as long as it may be believed.
type directoryBook struct {
	asked   time.Time   // when it was asked that has answered
	at      time.Time   // when it answered
	knew    *carrierSet // the carriers that there were when it was asked
	heard   time.Time   // when it last answered, or failed
	asking  bool        // it is being asked
	unsure  bool        // it failed, or said that something is missing: ask again
	failing bool        // it failed: what it said before counts
	agents  map[string]dialer.Agent
	numbers map[string]Number
	faults  map[string]error // by kind and id
}

// refresh brings the scheduler what others wrote to the store, if they did.
func (l *loop) refresh(ctx context.Context) error {
	l.mu.Lock()
	dirty, first := l.dirty, !l.loaded
	l.dirty = false
	l.mu.Unlock()
	if !dirty && !first {
		return nil
	}
	err := l.read(ctx, first)
	if err != nil {
		l.mu.Lock()
		l.dirty = true // without the bell: turn says when to try again
		l.mu.Unlock()
	}
	return err
}

// read loads the batches that others changed, and what they left to this node or want ended.
func (l *loop) read(ctx context.Context, first bool) error {
	ctx, cancel := l.sys.timeout(ctx, l.s.e.cfg.StoreTimeout)
	defer cancel()
	if err := l.readBatches(ctx, first); err != nil {
		return err
	}
	if err := l.readOwn(ctx); err != nil {
		return err
	}
	return l.readHangUps(ctx)
}

// readBatches reads those that are open at first, and then what was changed since, however much that is.
func (l *loop) readBatches(ctx context.Context, first bool) error {
	const page = 500
	for {
		l.mu.Lock()
		q := store.BatchQuery{Org: l.org.id, ByRev: true, AfterRev: l.rev, Limit: page}
		l.mu.Unlock()
		if first {
			q = store.BatchQuery{Org: l.org.id, Open: true}
		}
		batches, err := l.s.e.cfg.Store.Batches(ctx, q)
		if err != nil {
			return fmt.Errorf("batches of the organisation: %w", err)
		}
		l.load(batches)
		if first || len(batches) < page {
			return nil
		}
	}
}

func (l *loop) load(batches []store.Batch) {
	now := l.sys.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range batches {
		l.sched.load(b, now)
		l.rev = max(l.rev, b.Rev)
	}
	l.loaded = true
	for _, b := range batches { // what was learned anew needs a route
		if j := l.sched.jobs[b.ID]; j != nil && j.route == nil {
			l.book.at = time.Time{}
		}
	}
}

// readHangUps finds the calls of this node that another process wants ended.
func (l *loop) readHangUps(ctx context.Context) error {
	l.mu.Lock()
	none := len(l.sched.calls) == 0 // not l.live: one that waits for another carrier is no dialer's
	l.mu.Unlock()
	if none {
		return nil
	}
	calls, err := l.s.e.cfg.Store.Calls(ctx, store.CallQuery{
		Org: l.org.id, Owner: l.s.node.ID, InFlight: true, HangUp: true,
	})
	if err != nil {
		return fmt.Errorf("calls to be ended: %w", err)
	}
	now := l.sys.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range calls {
		l.sched.cancel(c.ID, dialer.HangUp(dialer.APICancelled), now)
	}
	return nil
}

// consult asks the directory, where its last answers are too old, about the organisation
// and whatever its batches need. It does not wait for the answers: a directory
// that is slow or gone keeps no call from being ended and written down.
func (l *loop) consult(ctx context.Context) {
	now := l.sys.now()
	set := l.s.e.carriers.now.Load()
	if l.book.asking || (now.Sub(l.book.at) < l.s.e.cfg.DirectoryTTL && l.book.knew == set) {
		return // where the carriers are others, the numbers may name others, too
	}
	agents, numbers := l.needed()
	if len(numbers) == 0 {
		return
	}
	l.book.asking = true
	l.helpers.begin(func() {
		a := l.ask(ctx, agents, numbers)
		a.asked, a.knew = now, set
		l.post(func(now time.Time) { l.learn(ctx, a, now) })
	})
}

// answers is what the directory said, with the error where it did not.
type answers struct {
	asked        time.Time   // when it was
	knew         *carrierSet // the carriers that there were then
	at           time.Time   // when it had said it
	organisation Organisation
	err          error
	agents       []answer[dialer.Agent]
	numbers      []answer[Number]
}

type answer[T any] struct {
	id  string
	it  T
	err error
}

func (l *loop) ask(ctx context.Context, agents, numbers map[string]bool) answers {
	ctx, cancel := l.sys.timeout(ctx, l.s.e.cfg.StoreTimeout)
	defer cancel()
	var a answers
	a.organisation, a.err = l.s.e.cfg.Directory.Organisation(ctx, l.org.id)
	for id := range agents {
		it, err := l.s.e.cfg.Directory.Agent(ctx, l.org.id, id)
		a.agents = append(a.agents, answer[dialer.Agent]{id, it, err})
	}
	for id := range numbers {
		it, err := l.s.e.cfg.Directory.Number(ctx, l.org.id, id)
		a.numbers = append(a.numbers, answer[Number]{id, it, err})
	}
	a.at = l.sys.now()
	return a
}

// learn takes up what the directory said. Where it failed, what is known stays.
func (l *loop) learn(ctx context.Context, a answers, now time.Time) {
	l.book.asking, l.book.unsure, l.book.failing, l.book.at, l.book.heard = false, false, false, a.at, a.at
	l.book.asked, l.book.knew = a.asked, a.knew
	l.note(ctx, "organisation", l.org.id, a.err)
	switch {
	case a.err == nil:
		l.sched.setLimit(a.organisation.ConcurrencyLimit)
	case errors.Is(a.err, ErrNotFound):
		l.sched.setLimit(0) // it is not there any more: nothing is dialled for it
	}
	for _, x := range a.agents {
		l.note(ctx, "agent", x.id, x.err)
		remember(l.book.agents, x)
	}
	for _, x := range a.numbers {
		l.note(ctx, "number", x.id, x.err)
		remember(l.book.numbers, x)
	}
	l.route(now)
	l.sched.weigh(l.book.numbers)
}

// directed says whether what the directory says still counts: it was asked long enough after since, and after the
// carriers became those that there are now, that a host that changes both had the time to.
func (l *loop) directed(since time.Time) bool {
	set := l.s.e.carriers.now.Load()
	if set.since.After(since) {
		since = set.since
	}
	return !l.book.failing && l.book.knew == set && !l.book.asked.Before(since.Add(l.s.e.cfg.DirectoryTTL))
}

// remember keeps an answer. An entry that is not there any more is forgotten; one that
// could not be asked for stays as it was.
func remember[T any](book map[string]T, a answer[T]) {
	switch {
	case a.err == nil:
		book[a.id] = a.it
	case errors.Is(a.err, ErrNotFound):
		delete(book, a.id)
	}
}

// needed returns the agents and numbers of the batches that are open.
func (l *loop) needed() (agents, numbers map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	agents, numbers = map[string]bool{}, map[string]bool{}
	for _, j := range l.sched.jobs {
		agents[j.batch.AgentID] = true
		numbers[j.batch.NumberID] = true
	}
	return agents, numbers
}

// note keeps what the directory could not answer.
func (l *loop) note(ctx context.Context, kind, id string, err error) {
	key := kind + " " + id
	if err == nil {
		delete(l.book.faults, key)
		return
	}
	l.book.unsure = true
	l.book.failing = l.book.failing || !errors.Is(err, ErrNotFound)
	if l.book.faults[key] == nil || l.book.faults[key].Error() != err.Error() {
		l.logger().WarnContext(ctx, "the directory did not answer", "kind", kind, "id", id, "error", err)
	}
	l.book.faults[key] = err
}

// route tells the scheduler how the calls of each batch leave now.
func (l *loop) route(now time.Time) {
	for _, j := range l.sched.jobs {
		a, okAgent := l.book.agents[j.batch.AgentID]
		n, okNumber := l.book.numbers[j.batch.NumberID]
		var unable refusal
		switch {
		case !okAgent:
			unable.reason = l.missing(WaitAgent, "agent "+j.batch.AgentID)
		case !okNumber:
			unable.reason = l.missing(WaitNumber, "number "+j.batch.NumberID)
		case n.InboundOnly:
			unable.reason = WaitNumber
		}
		to := endpoint{from: n.E164, agent: a}
		if same := j.route != nil && unable.reason == "" && j.key == routeKey(n, a.ID); same {
			j.endpoint = to
			continue
		}
		l.book.unsure = l.book.unsure || unable.reason != ""
		j.key = routeKey(n, a.ID)
		l.sched.setRoute(j, n, to, unable, now)
	}
}

// missing is the reason for what the directory did not give: it is not there, or the
// directory could not be asked.
func (l *loop) missing(reason WaitReason, key string) WaitReason {
	if errors.Is(l.book.faults[key], ErrNotFound) {
		return reason
	}
	return WaitDirectory
}

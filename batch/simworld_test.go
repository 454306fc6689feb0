package batch

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/outdial/outdial/store/memory"
)

// A simulation is one play of the engine: several processes over one store and the same carriers, in one
// thread and in virtual time, with everything that can go wrong. Whatever is left to chance is drawn from
// one seed, so that the same seed is the same play, to the byte.
//
// The engine is the real one, on another system. The store is the one in memory, behind a network that
// delays, loses and repeats. The carriers are simulated.
type simWorld struct {
	seed uint64
	rng  *rand.Rand
	pool *simPool

	now     int64
	events  *simAgenda
	taskIDs uint64
	current *simTask
	steps   int // events of this moment, to notice one that never ends
	until   int64
	done    func() bool
	stopped bool // done has said so
	noticed bool // what the task that ran has cancelled

	prof     profile
	store    *memory.Store
	ledger   *simLedger
	carriers []*simCarrier
	slots    []*simSlot
	procs    int
	faults   simFaults
	clients  simClients
	orgs     []*simOrg

	outside *simProc // tasks of the simulation itself
	seen    *sometimes
	failure string
	hash    uint64
	trace   *strings.Builder // nil: only the hash is kept
	lines   int
	phase   string
}

func newSimWorld(seed uint64, pool *simPool, seen *sometimes) *simWorld {
	w := &simWorld{seed: seed, pool: pool, seen: seen}
	w.begin()
	return w
}

// newSimWorldTraced makes one that keeps what happens.
func newSimWorldTraced(seed uint64, pool *simPool) *simWorld {
	w := &simWorld{seed: seed, pool: pool, seen: &sometimes{}, trace: &strings.Builder{}}
	w.begin()
	return w
}

func (w *simWorld) begin() {
	w.rng = rand.New(rand.NewPCG(w.seed, 0x0d1a1))
	w.events = &w.pool.events
	w.events.clear()
	w.prof = drawProfile(w.rng)
	if w.seed&changing != 0 {
		w.prof.drawChanges(w.rng)
	}
	w.store = memory.NewAt(func() time.Time { return clockReading(w.now, w.now) })
	w.ledger = newSimLedger(w)
	w.outside = &simProc{w: w, name: "outside"}
	w.build()
}

// do has something happen after a time.
func (w *simWorld) do(after time.Duration, what func()) { w.act(after, simFunc(what)) }

func (w *simWorld) act(after time.Duration, what simAction) {
	w.events.push(simEvent{at: w.now + int64(max(after, 0)), tie: w.rng.Uint64(), do: what})
}

// run has events happen until done says so, until there are none or until a time.
func (w *simWorld) run(until int64, done func() bool) {
	w.until, w.done, w.stopped = until, done, false
	for {
		if w.due() == nil {
			return
		}
		if w.come(); w.stopped {
			return
		}
		e := w.events.pop()
		w.happen(&e)
	}
}

// due returns the next event, which stays; nil: none happens any more in this run. It is there until another one comes.
func (w *simWorld) due() *simEvent {
	if w.stopped || w.failure != "" || w.events.empty() {
		return nil
	}
	if e := w.events.first(); e.at <= w.until {
		return e
	}
	return nil
}

// come has the moment of the next event come.
func (w *simWorld) come() {
	const most = 200_000 // events of one moment
	if at := w.events.first().at; at > w.now {
		w.now, w.steps = at, 0
		if w.done() {
			w.stopped = true
			return
		}
	}
	if w.steps++; w.steps > most {
		w.fail("time stands still: %d events in one moment", most)
		w.stopped = true
	}
}

func (w *simWorld) happen(e *simEvent) {
	t := e.task
	if t == nil {
		w.note(1, uint64(w.now))
		e.do.act()
		return
	}
	if e.stale() {
		return
	}
	if t.proc.paused {
		t.proc.held = append(t.proc.held, t)
		return
	}
	w.note(t.id, uint64(w.now))
	p := t.proc
	w.noticed = false
	w.resume(t) // which may be its end
	if !w.noticed {
		w.noticeCancelled(p)
	}
}

// stale says that its task has gone on since, or has ended.
func (e *simEvent) stale() bool { return e.task.over || e.task.turn != e.turn }

// goOn has what happens next happen while a task waits, as long as that is nothing but requests at the store. True: then the
// task itself is to go on. So it need not be left for that, which costs as much as all that happens.
func (w *simWorld) goOn(t *simTask) bool {
	if t.killed {
		return false
	}
	w.current = nil
	w.noticeCancelled(t.proc)
	w.noticed = true
	for {
		e := w.due()
		if e == nil {
			return false
		}
		r, arrives := e.do.(*request)
		mine := e.task == t && e.turn == t.turn && !t.proc.paused
		if !mine && !arrives && (e.task == nil || !e.stale()) {
			return false
		}
		if w.come(); w.stopped {
			return false
		}
		_ = w.events.pop()
		switch {
		case arrives:
			w.note(1, uint64(w.now))
			r.act()
		case mine:
			w.note(t.id, uint64(w.now))
			w.noticed = false
			t.goesOn()
			w.current = t
			return true
		}
	}
}

// note adds to the hash of the play.
func (w *simWorld) note(what, value uint64) {
	w.hash = (w.hash ^ what) * 0x100000001b3
	w.hash = (w.hash ^ value) * 0x100000001b3
}

// tell writes a line of the trace. Who asks w.telling first spares the arguments.
func (w *simWorld) tell(format string, args ...any) {
	if w.trace == nil {
		return
	}
	w.lines++
	fmt.Fprintf(w.trace, "%12.6f ", time.Duration(w.now).Seconds())
	fmt.Fprintf(w.trace, format, args...)
	w.trace.WriteByte('\n')
}

func (w *simWorld) telling() bool { return w.trace != nil }

// fail ends the play. Only the first failure counts.
func (w *simWorld) fail(format string, args ...any) {
	if w.failure == "" {
		w.failure = fmt.Sprintf("after %v of virtual time, while %s: ", time.Duration(w.now), w.phase) + fmt.Sprintf(format, args...)
		w.tell("FAILED %s", w.failure)
	}
}

// chance is true once in n times.
func (w *simWorld) chance(n int) bool { return w.rng.IntN(n) == 0 }

// between draws a time.
func (w *simWorld) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rng.Int64N(int64(high-low)+1))
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// build makes the carriers, the organisations and the first processes.
func (w *simWorld) build() {
	w.phase = "beginning"
	w.carriers = w.newCarriers()
	for i := range w.prof.orgs {
		o := &simOrg{name: fmt.Sprintf("org%d", i), number: w.prof.number(w.rng, w.carriers)}
		o.usual = o.number
		o.setLimit(w, 2+w.rng.IntN(w.prof.mostLimit))
		w.orgs = append(w.orgs, o)
	}
	if w.prof.nodes >= many {
		w.seen.branch(manyNodes)
	}
	for i := range w.prof.nodes {
		s := &simSlot{w: w, index: i}
		w.slots = append(w.slots, s)
		s.start()
	}
}

// play has the whole of it happen and returns what went wrong; empty: nothing.
func (w *simWorld) play() string {
	w.phase = "faults are on"
	w.beginFaults()
	w.beginClients()
	w.run(int64(w.prof.faultTime), w.quiet)
	if w.failure == "" {
		w.phase = "all is well again"
		w.settle()
	}
	w.close()
	return w.failure
}

// quiet says that nothing is left to happen by itself.
func (w *simWorld) quiet() bool {
	return w.clients.left == 0 && w.clients.busy == 0 && w.ledger.open == 0
}

// close ends what is left of the play.
func (w *simWorld) close() {
	for _, s := range w.slots {
		if s.proc != nil {
			s.proc.kill()
		}
	}
	w.outside.kill()
}

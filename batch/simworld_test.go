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
	pool *coroutines

	now     int64
	events  simHeap
	taskIDs uint64
	current *simTask
	steps   int // events of this moment, to notice one that never ends

	prof     profile
	store    *memory.Store
	ledger   *simLedger
	carriers []*simCarrier
	slots    []*simSlot
	procs    int
	faults   simFaults
	clients  simClients
	orgs     []*simOrg

	timeouts slab[simTimeout]
	requests slab[request]

	outside *simProc // tasks of the simulation itself
	seen    *sometimes
	failure string
	hash    uint64
	trace   *strings.Builder // nil: only the hash is kept
	lines   int
	phase   string
}

func newSimWorld(seed uint64, pool *coroutines, seen *sometimes) *simWorld {
	w := &simWorld{seed: seed, pool: pool, seen: seen}
	w.begin()
	return w
}

// newSimWorldTraced makes one that keeps what happens.
func newSimWorldTraced(seed uint64, pool *coroutines) *simWorld {
	w := &simWorld{seed: seed, pool: pool, seen: &sometimes{}, trace: &strings.Builder{}}
	w.begin()
	return w
}

func (w *simWorld) begin() {
	w.rng = rand.New(rand.NewPCG(w.seed, 0x0d1a1))
	w.events = make(simHeap, 0, 256)
	w.prof = drawProfile(w.rng)
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
	const most = 200_000 // events of one moment
	for len(w.events) > 0 && w.failure == "" && w.events[0].at <= until {
		e := w.events.pop()
		if e.at > w.now {
			w.now, w.steps = e.at, 0
			if done() {
				w.events.push(e)
				return
			}
		}
		if w.steps++; w.steps > most {
			w.fail("time stands still: %d events in one moment", most)
			return
		}
		w.happen(&e)
	}
}

func (w *simWorld) happen(e *simEvent) {
	t := e.task
	if t == nil {
		w.note(1, uint64(w.now))
		e.do.act()
		return
	}
	if t.over || t.turn != e.turn {
		return
	}
	if t.proc.paused {
		t.proc.held = append(t.proc.held, t)
		return
	}
	w.note(t.id, uint64(w.now))
	w.resume(t)
	w.noticeCancelled(t.proc)
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
		o.setLimit(w, 2+w.rng.IntN(w.prof.mostLimit))
		w.orgs = append(w.orgs, o)
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

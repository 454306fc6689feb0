package batch

import (
	"context"
	"fmt"
	"iter"
	"runtime/debug"
)

// simTask is what would be a goroutine. It runs in a coroutine, so that exactly one runs at a time and
// the simulation decides which goes on.
type simTask struct {
	id   uint64
	proc *simProc // nil: it belongs to the simulation itself
	co   *coroutine
	run  func()
	at   int // its place in simProc.tasks
	born int64

	turn    uint32 // counts how often it went on, from first: what was meant for another task that was here before is too old
	first   uint32
	waiting context.Context //nolint:containedctx // of the wait that it is in; nil: of none, or it is to go on already
	woken   bool            // an event is under way that has it go on now
	bell    *simBell        // that it waits for
	client  bool            // it is somebody's request
	dropped func()          // called where it is killed before it has begun
	dialing bool            // it is in a dialer
	killed  bool            // its process is gone
	over    bool
}

// errKilled unwinds the stack of a task whose process is gone. What it defers meets a simulation that
// does nothing any more.
var errKilled = fmt.Errorf("the process was killed")

// coroutine runs tasks, one after the other.
type coroutine struct {
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	task  *simTask
	panic any // what ended the latest task; nil: it returned
}

// coroutines are kept from one simulation to the next. Only one goroutine may use them.
type coroutines struct {
	idle []*coroutine
	all  []*coroutine
}

func (p *coroutines) get() *coroutine {
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return c
	}
	c := &coroutine{}
	c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		for {
			c.once()
			if !yield(struct{}{}) {
				return
			}
		}
	})
	p.all = append(p.all, c)
	return c
}

func (c *coroutine) once() {
	t := c.task
	defer func() {
		t.over = true
		if r := recover(); r != nil && r != any(errKilled) {
			c.panic = fmt.Sprintf("%v\n%s", r, debug.Stack())
		}
	}()
	if !t.killed {
		t.run()
	}
}

// close ends the coroutines, none of which may be in a task.
func (p *coroutines) close() {
	for _, c := range p.all {
		c.stop()
	}
}

// spawn begins a task of a process, or of the simulation.
func (w *simWorld) spawn(p *simProc, run func()) *simTask {
	w.taskIDs++
	t := w.pool.tasks.take()
	first := t.turn + 1
	*t = simTask{id: w.taskIDs, proc: p, co: w.pool.get(), run: run, at: len(p.tasks), born: w.now, turn: first, first: first}
	t.co.task = t
	p.tasks = append(p.tasks, t)
	w.wake(t)
	return t
}

// wake has a task go on now, after whatever else happens at this moment and has drawn a lower tie.
func (w *simWorld) wake(t *simTask) {
	if t.woken {
		return
	}
	t.woken = true
	w.events.push(simEvent{at: w.now, tie: w.tie(t), task: t, turn: t.turn})
}

// wakeAt has it go on at a time, unless it has done so before.
func (w *simWorld) wakeAt(t *simTask, at int64) {
	w.events.push(simEvent{at: max(at, w.now), tie: w.tie(t), task: t, turn: t.turn})
}

// tie does not depend on the order in which events are made, so that a program which wakes several tasks
// in the order of a map is simulated the same way every time.
func (w *simWorld) tie(t *simTask) uint64 { return mix(w.seed ^ mix(t.id<<24^uint64(t.turn-t.first))) }

// mix is the finaliser of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// resume has a task run until it waits or ends.
func (w *simWorld) resume(t *simTask) {
	t.goesOn()
	before := w.current
	w.current = t
	t.co.next()
	w.current = before
	if t.over {
		w.end(t)
	}
}

func (t *simTask) goesOn() {
	t.turn++
	t.waiting, t.woken = nil, false
	if t.bell != nil {
		t.bell.waiter, t.bell = nil, nil
	}
}

func (w *simWorld) end(t *simTask) {
	p := t.proc
	last := p.tasks[len(p.tasks)-1]
	p.tasks[t.at], last.at = last, t.at
	p.tasks = p.tasks[:len(p.tasks)-1]
	if t.co.panic != nil {
		w.fail("a task panicked: %v", t.co.panic)
		t.co.panic = nil
	}
	t.co.task = nil
	w.pool.idle = append(w.pool.idle, t.co)
	w.pool.tasks.put(t)
}

// suspend has the task that runs wait until an event has it go on.
func (w *simWorld) suspend(t *simTask) {
	if !w.goOn(t) {
		t.co.yield(struct{}{})
	}
	if t.killed {
		panic(errKilled)
	}
}

// noticeCancelled has the tasks of a process go on that wait with a context which is over. A context is
// cancelled by a task of its process or by the simulation, and looked at after each of both.
func (w *simWorld) noticeCancelled(p *simProc) {
	for _, t := range p.tasks {
		if t.waiting != nil && !t.woken && t.waiting.Err() != nil {
			w.wake(t)
		}
	}
}

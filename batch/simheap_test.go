package batch

import "time"

// simEvent is something that happens at a moment of virtual time: a task goes on, or something
// outside the nodes happens.
type simEvent struct {
	at   int64     // ns since the simulation began
	tie  uint64    // decides between events of one moment
	task *simTask  // that goes on, unless it has gone on since
	turn uint32    // of the task, when the event was made
	do   simAction // where there is no task
}

func (e *simEvent) before(o *simEvent) bool {
	if e.at != o.at {
		return e.at < o.at
	}
	return e.tie < o.tie
}

// simAction is something that happens outside the tasks.
type simAction interface{ act() }

type simFunc func()

func (f simFunc) act() { f() }

// simAgenda is the events that are to happen. Most never do, such as the end of a wait that something ends before. So those
// that are far off are kept apart, in no order, and what is sorted stays small.
type simAgenda struct {
	near    simHeap    // before the horizon
	far     []simEvent // the others
	horizon int64
}

func (a *simAgenda) push(e simEvent) {
	if e.at < a.horizon {
		a.near.push(e)
	} else {
		a.far = append(a.far, e)
	}
}

func (a *simAgenda) empty() bool { return len(a.near) == 0 && len(a.far) == 0 }

// first returns the first event, which stays. There must be one.
func (a *simAgenda) first() *simEvent {
	if len(a.near) == 0 {
		a.approach()
	}
	return &a.near[0]
}

// pop takes out the event that first has returned.
func (a *simAgenda) pop() simEvent { return a.near.pop() }

// approach moves the horizon, so that there is something before it.
func (a *simAgenda) approach() {
	const within = int64(time.Minute)
	soonest := a.far[0].at
	for i := range a.far {
		soonest = min(soonest, a.far[i].at)
	}
	a.horizon = soonest + within
	left := a.far[:0]
	for i := range a.far {
		if e := &a.far[i]; e.at < a.horizon {
			a.near.push(*e)
		} else {
			left = append(left, *e)
		}
	}
	a.far = left
}

func (a *simAgenda) clear() {
	clear(a.near[:cap(a.near)]) // or they keep the play before alive
	clear(a.far[:cap(a.far)])
	a.near, a.far, a.horizon = a.near[:0], a.far[:0], 0
}

// simHeap is a heap of events whose nodes have four children. It is written out because it is a tenth of what a
// simulation does, and container/heap makes garbage of every event.
type simHeap []simEvent

const simChildren = 4

func (h *simHeap) push(e simEvent) {
	q := append(*h, e)
	i := len(q) - 1
	for i > 0 {
		parent := (i - 1) / simChildren
		if !e.before(&q[parent]) {
			break
		}
		q[i] = q[parent]
		i = parent
	}
	q[i] = e
	*h = q
}

// pop takes out the first event. There must be one.
func (h *simHeap) pop() simEvent {
	q := *h
	first, last := q[0], q[len(q)-1]
	q = q[:len(q)-1]
	*h = q
	if len(q) == 0 {
		return first
	}
	i := 0
	for {
		child := simChildren*i + 1
		if child >= len(q) {
			break
		}
		for other := child + 1; other < min(simChildren*i+1+simChildren, len(q)); other++ {
			if q[other].before(&q[child]) {
				child = other
			}
		}
		if !q[child].before(&last) {
			break
		}
		q[i] = q[child]
		i = child
	}
	q[i] = last
	return first
}

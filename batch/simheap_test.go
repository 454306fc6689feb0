package batch

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

// simHeap is a binary heap of events. It is written out because it is half of what a simulation
// does, and container/heap makes garbage of every event.
type simHeap []simEvent

func (h *simHeap) push(e simEvent) {
	q := append(*h, e)
	i := len(q) - 1
	for i > 0 {
		parent := (i - 1) / 2
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
	q[len(q)-1] = simEvent{}
	q = q[:len(q)-1]
	*h = q
	if len(q) == 0 {
		return first
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(q) {
			break
		}
		if child+1 < len(q) && q[child+1].before(&q[child]) {
			child++
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

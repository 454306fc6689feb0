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

// slab makes values of which a play needs a lot, many at a time.
type slab[T any] struct{ left []T }

func (s *slab[T]) new() *T {
	const many = 64
	if len(s.left) == 0 {
		s.left = make([]T, many)
	}
	one := &s.left[0]
	s.left = s.left[1:]
	return one
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
	q[len(q)-1] = simEvent{}
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

package memory

// queue holds the queued recipients of one batch: those who were never taken out as a number,
// those who were put back in a heap. So a batch of which nobody was put back takes the same
// few bytes whatever its size, and one of which all were takes 8 for each.
type queue struct {
	fresh, size int     // indexes from fresh up to size were never taken out
	again       []place // a binary heap, the next to come at its root
}

// place says when one comes who was put back: after all with fewer attempts, and after those
// with as many and a lower index.
type place int64

const indexBits = 32

func placeOf(attempts, index int) place { return place(attempts)<<indexBits | place(index) }

func (p place) index() int { return int(p & (1<<indexBits - 1)) }

// put puts one back that was taken out, and so had an attempt.
func (q *queue) put(attempts, index int) {
	q.again = append(q.again, placeOf(attempts, index))
	for i := len(q.again) - 1; i > 0; {
		parent := (i - 1) / 2
		if q.again[parent] < q.again[i] {
			return
		}
		q.again[parent], q.again[i] = q.again[i], q.again[parent]
		i = parent
	}
}

// len is how many are queued.
func (q *queue) len() int { return q.size - q.fresh + len(q.again) }

// pop takes out the next one, if there is any.
func (q *queue) pop() (index int, ok bool) {
	if q.fresh < q.size {
		q.fresh++
		return q.fresh - 1, true
	}
	last := len(q.again) - 1
	if last < 0 {
		return 0, false
	}
	index = q.again[0].index()
	q.again[0] = q.again[last]
	q.again = q.again[:last]
	q.sink()
	return index, true
}

// sink moves the root down to where it belongs.
func (q *queue) sink() {
	for i := 0; ; {
		next := 2*i + 1
		if next+1 < len(q.again) && q.again[next+1] < q.again[next] {
			next++
		}
		if next >= len(q.again) || q.again[i] < q.again[next] {
			return
		}
		q.again[i], q.again[next] = q.again[next], q.again[i]
		i = next
	}
}

package postgres

// trust says whether a step may rely on what is known before it has asked. Where other nodes write to the same
// organisation, that would be in vain more often than not, and each time cost a trip.
type trust struct {
	wait int // steps that must find what they knew true before
	next int // how many those will be the next time
}

// mostWait bounds for how long what is known is not relied upon once others have stopped to write.
const mostWait = 63

// missed is what is left of it when a step has relied on what is known in vain.
func (t *trust) missed() trust {
	n := min(2*t.next+1, mostWait)
	return trust{wait: n, next: n}
}

// confirm notes that a step has found true what it knew.
func (t *trust) confirm() { t.wait = max(0, t.wait-1) }

// kept notes that a step has relied on it, and was right.
func (t *trust) kept() { t.next /= 2 }

// foresee decides the step by what is known of the organisation, if that is all that it needs. Then one trip is
// enough, whose first statement changes the organisation's row from what is known to what was decided, or undoes the
// transaction.
//
// A try of it whose answer is lost may reach the server late, behind the replay. Before it has, the replay finds the
// state of which the try was decided, and decides the same: so it moves the revision, and the try comes to nothing.
func (t *turn) foresee() bool {
	k := t.known
	if t.step.Replay || !k.whole || k.trust.wait > 0 || !t.recognise() {
		return false
	}
	o := k.org
	t.org, t.owner = &o, k.node
	t.recall()
	if err := t.judge(); err != nil {
		t.forget() // some of it may have been changed by the decisions
		return false
	}
	return t.flew() // else nothing was, and the server has the last word on what is refused
}

// recognise takes up the batches that the step names, if all that it is about is known.
func (t *turn) recognise() bool {
	k := t.known
	for i := range t.step.Events {
		if k.calls[t.step.Events[i].CallID] == nil {
			k.complete = false // it may be one that was adopted
			return false
		}
	}
	for _, id := range t.batchIDs() {
		b := k.batches[id]
		if b == nil || t.wanted[id] > 0 && !k.serves(id, t.wanted[id]) {
			return false
		}
		t.named[id], t.order = b, append(t.order, b)
	}
	t.sortBatches()
	return t.fresh()
}

// fresh says that no call of the step's claims exists already.
func (t *turn) fresh() bool {
	for i := range t.step.Claims {
		for _, id := range t.step.Claims[i].CallIDs {
			if id <= t.known.latest || t.known.calls[id] != nil {
				return false
			}
		}
	}
	return true
}

// flew says that the step writes to flights, where the lease is looked at behind the lock.
func (t *turn) flew() bool {
	if len(t.answers) > 0 {
		return true
	}
	for _, c := range t.calls {
		if c.now != c.was {
			return true
		}
	}
	return false
}

package batch

import (
	"errors"
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// attempt is a call of this node that is not over.
type attempt struct {
	id      string
	index   int // of the recipient in its batch
	number  int // 1 for the recipient's first attempt
	job     *job
	carrier *carrier // nil: this engine does not have it, or the attempt is stranded
	units   int
	from    dialer.Phone

	begun      time.Time // when its carrier was chosen; zero: by another process
	status     fsm.RecipientStatus
	dispatched time.Time // as it is stored
	ref        string
	rangAt     time.Time
	startedAt  time.Time

	heard    *carrier     // the one that was told whether it took it; nil: none
	tries    []store.Try  // the carriers that refused it
	busy     bool         // one of them takes no calls at present
	putOff   bool         // one of them was not asked, and may be later, or means the recipient
	meant    bool         // the latest of those takes others: it means the recipient
	open     bool         // one of those may be down, or was not asked: it may take the attempt later
	stranded bool         // it waits for another carrier; no dialer has it
	start    *start       // which its carrier's pace has given for it
	since    time.Time    // when it was stranded
	call     *dialer.Call // to be placed, while it is stranded or on its way to another carrier

	deadline    time.Time
	inDeadlines int

	hungUp    bool // it was told to end; at the next deadline it is over without its consent
	cancelled bool // somebody asked this node for its end; the store knows who asked others
	detached  bool // this process lets go of it
	resumed   bool // it was placed by another process
	weighed   bool // units is what a call from its number needs
	pending   int  // its event in scheduler.events, plus 1; 0: none
}

func (s *scheduler) setDeadline(a *attempt, at time.Time) {
	a.deadline = at
	s.deadlines.put(a)
}

// event returns the event of the attempt that goes into the next step. There is at most
// one: what happens to a call between two steps is written as one transition.
func (s *scheduler) event(a *attempt) *store.Event {
	if a.pending == 0 {
		s.events = append(s.events, store.Event{BatchID: a.job.batch.ID, Index: a.index, CallID: a.id, Status: a.status})
		a.pending = len(s.events)
	}
	return &s.events[a.pending-1]
}

// progress tells that a call has come further. A stage that was passed already, or a
// call that is over, is nothing: dialers repeat themselves and are late.
func (s *scheduler) progress(id string, p dialer.Progress, now time.Time) {
	a := s.calls[id]
	if a == nil {
		return
	}
	s.advances(a, p.Stage, now)
	if p.Ref != "" && p.Ref != a.ref {
		a.ref = p.Ref // written at once: it is what the call is found by after a crash
		s.event(a).Ref = clean(p.Ref)
	}
	at := a.moment(p.At, now)
	switch {
	case p.Stage == dialer.Ringing && a.rangAt.IsZero() && a.status == fsm.Dispatched:
		a.rangAt = at // written with what comes next: a commit for it alone would buy nothing
	case p.Stage == dialer.Connected && a.status == fsm.Dispatched:
		a.status, a.startedAt = fsm.Started, at
		ev := s.event(a)
		ev.Status, ev.RangAt, ev.StartedAt = fsm.Started, a.rangAt, at
		if !a.hungUp {
			s.setDeadline(a, now.Add(a.job.batch.MaxDuration+s.grace))
		}
	}
}

// moment is at, in the precision that is stored, or now where the dialer does not say. It
// is never later than now, and never before the call was dispatched: a carrier's clock is not ours, and what a
// dialer makes of it may be a time that no store can keep.
func (a *attempt) moment(at, now time.Time) time.Time {
	if at.IsZero() || at.After(now) {
		at = now
	}
	return later(stored(at), a.dispatched)
}

// ended tells that a call is over: with an outcome, or with an error of its dialer.
func (s *scheduler) ended(id string, o dialer.Outcome, err error, now time.Time) {
	a := s.calls[id]
	if a == nil {
		return // given up on before
	}
	if a.detached && dialerDetached(err) && !errors.Is(err, dialer.ErrNotPlaced) {
		s.leave(a, now) // still in flight: the row stays as it is for whoever takes over
		return
	}
	s.judge(a, o, err, now)
	s.ending++
	a.job.ending++
	s.remove(a, now)
}

// leave abandons a call that is left to be taken over: until it has been, its channels are not for others.
func (s *scheduler) leave(a *attempt, now time.Time) {
	if a.carrier != nil {
		a.carrier.leaveBehind(a.units)
	}
	s.abandon(a, now)
}

// remove frees what the call held.
func (s *scheduler) remove(a *attempt, now time.Time) {
	delete(s.calls, a.id)
	s.deadlines.drop(a)
	j := a.job
	j.own--
	j.inFlight--
	s.capacity.release(1)
	j.limit.release(1)
	a.start.giveBack()
	if a.carrier != nil {
		a.carrier.release(a.units)
	}
	s.enlist(j, now)
}

// lose forgets a call that belongs to another node by now, and has this node's end of it cut.
func (s *scheduler) lose(id string, now time.Time) {
	a := s.calls[id]
	if a == nil {
		return
	}
	s.abandon(a, now)
	s.hangUps = append(s.hangUps, hangUp{id, dialer.ErrDetached})
}

// cancel ends a call because somebody asked for it.
func (s *scheduler) cancel(id string, cause error, now time.Time) {
	a := s.calls[id]
	if a == nil {
		return
	}
	a.cancelled = true
	if a.stranded {
		s.ended(id, dialer.Outcome{}, errStopping, now)
		return
	}
	if !a.hungUp {
		a.hungUp = true
		s.hangUps = append(s.hangUps, hangUp{id, cause})
		s.setDeadline(a, now.Add(s.grace))
	}
}

// letGo ends what this node has to do with its calls, because it stops: a call that its
// carrier can resume goes on without it, any other one is hung up.
func (s *scheduler) letGo(now time.Time) {
	for _, a := range inOrder(s.calls) {
		if a.stranded {
			s.ended(a.id, dialer.Outcome{}, errStopping, now)
			continue
		}
		if a.carrier == nil || !s.canResume(a.carrier) {
			s.cancel(a.id, dialer.HangUp(dialer.APICancelled), now)
			continue
		}
		a.detached = true
		s.hangUps = append(s.hangUps, hangUp{a.id, dialer.ErrDetached})
		s.setDeadline(a, now.Add(s.grace))
	}
}

// weigh corrects what calls that were taken over hold of their carriers, once the directory has said what a call
// from their numbers needs. No call begins before it has.
func (s *scheduler) weigh(numbers map[string]Number) {
	if !s.weighs() {
		return
	}
	for _, a := range s.unweighed {
		n, known := numbers[a.job.batch.NumberID]
		if !known {
			continue
		}
		a.weighed = true
		if more := n.channels() - a.units; more != 0 && a.carrier != nil {
			a.carrier.reweigh(more)
		}
		a.units = n.channels()
	}
}

// weighs says that there are calls that were taken over of which it is not known what they need.
func (s *scheduler) weighs() bool {
	s.unweighed = slices.DeleteFunc(s.unweighed, func(a *attempt) bool { return a.weighed || s.calls[a.id] != a })
	return len(s.unweighed) > 0
}

// expire ends the calls whose time is up: first by asking the dialer, then, when that
// did not help, by taking the slot back. So no dialer, however broken, holds one for ever.
func (s *scheduler) expire(now time.Time) {
	for s.deadlines.len() > 0 && !s.deadlines.first().deadline.After(now) {
		a := s.deadlines.first()
		if a.detached {
			s.leave(a, now) // the next owner decides
			continue
		}
		if a.stranded {
			s.ended(a.id, dialer.Outcome{}, errOthersTaken, now)
			continue
		}
		if a.hungUp {
			s.ended(a.id, dialer.Outcome{
				Reason: dialer.Error, RangAt: a.rangAt, ConnectedAt: a.startedAt, Ref: a.ref,
				Message: "the dialer did not end the call in time; whether it goes on is unknown",
			}, nil, now)
			continue
		}
		reason := dialer.DialNoAnswer
		if a.status == fsm.Started {
			reason = dialer.MaxDuration
		}
		a.hungUp = true
		s.hangUps = append(s.hangUps, hangUp{a.id, dialer.HangUp(reason)})
		s.setDeadline(a, now.Add(s.grace))
	}
}

// knows says whether a call is in hand, or its end waits to be written.
func (s *scheduler) knows(id string) bool {
	if s.calls[id] != nil {
		return true
	}
	return slices.ContainsFunc(s.events, func(ev store.Event) bool { return ev.CallID == id })
}

// adopt takes over a call that a node left behind. It counts at once, whatever the limits say.
// It returns what is to be resumed; nil: the call has ended, its fate unknown.
func (s *scheduler) adopt(o *orphan, now time.Time) *placement {
	c, b := &o.claimed, &o.batch
	j := s.jobs[b.ID]
	if j == nil {
		j = &job{batch: *b, limit: newCapacity(b.Target), queued: b.Counts.Queued, inFlight: b.Counts.InFlight()}
		s.add(j)
	}
	a := &attempt{
		id: c.Call.ID, index: c.Call.Index, number: c.Call.Attempt, job: j, dispatched: c.Call.DispatchedAt,
		carrier: s.resuming(c.Call.Carrier), units: o.number.channels(), from: c.Call.From,
		resumed: true, status: c.Call.Status, ref: c.Call.Ref, rangAt: c.Call.RangAt, startedAt: c.Call.StartedAt,
	}
	j.own++
	s.calls[a.id] = a
	s.unweighed = append(s.unweighed, a)
	s.capacity.force(1)
	j.limit.force(1)
	s.setOther(j, j.inFlight-j.own)
	s.capacity.setOther(s.other)
	if a.carrier != nil {
		a.carrier.force(a.units)
	}
	if refusedBefore(c.Call) {
		s.ended(a.id, dialer.Outcome{}, errRefused, now)
		return nil
	}
	if a.carrier == nil || a.carrier.resumer == nil {
		s.ended(a.id, dialer.Outcome{}, errOrphan, now)
		return nil
	}
	left := b.RingTimeout
	if a.status == fsm.Started {
		left = min(b.MaxDuration-now.Sub(a.startedAt), b.MaxDuration) // by the clock of another machine
	}
	s.setDeadline(a, now.Add(max(left, 0)+s.grace))
	if !c.Call.HangUpAt.IsZero() {
		s.cancel(a.id, dialer.HangUp(dialer.APICancelled), now)
	}
	return &placement{call: dialerCall(c, b, &o.agent), carrier: a.carrier}
}

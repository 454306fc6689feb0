package batch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// An attempt that its carrier certainly did not place goes on over the next carrier of the
// number. It keeps its place in the limits of batch and organisation; until the next
// carrier has room it is stranded. That it moves is written before the next carrier hears of it,
// as a claim is before the first one does.

var (
	// errAgain has a call queued again, since nobody was asked to place it.
	errAgain = errors.New("it is queued again")

	errNoOther     = fmt.Errorf("%w: %w", dialer.ErrNotPlaced, errors.New("no other carrier of the number is left"))
	errOthersTaken = fmt.Errorf("%w: no other carrier of the number had room in time: %w", dialer.ErrNotPlaced, errAgain)
	errChanged     = fmt.Errorf("%w: what it was to be placed by has changed: %w", dialer.ErrNotPlaced, errAgain)
	errStopping    = fmt.Errorf("%w: the engine stops: %w", dialer.ErrNotPlaced, errAgain)
	errRefused     = fmt.Errorf("%w: the carrier refused it before the engine stopped: %w", dialer.ErrNotPlaced, errAgain)
)

// returned tells that the dialer is done with a call.
func (s *scheduler) returned(p *placement, o dialer.Outcome, err error, now time.Time) {
	if a := s.calls[p.call.ID]; a != nil && s.strand(a, p, err, now) {
		return
	}
	s.ended(p.call.ID, o, err, now)
}

// strand has an attempt that was refused wait for the number's next carrier. It says whether there is one. Who was
// only put off is queued again instead, as the slot is somebody else's meanwhile.
func (s *scheduler) strand(a *attempt, p *placement, err error, now time.Time) bool {
	v := a.verdict(err)
	ends := a.cancelled || a.hungUp || a.detached || a.resumed || s.draining
	putOff := v.unasked && v.busy != nil
	if !v.certain || v.again || v.final || putOff || v.agentOnly() || ends || a.carrier == nil {
		return false
	}
	text := clean(err.Error())
	a.since = now
	a.tries = append(a.tries, store.Try{Carrier: a.carrier.name, At: stored(now), Error: text})
	if !s.hasOther(a) {
		a.tries = a.tries[:len(a.tries)-1]
		return false
	}
	if v.busy != nil {
		a.declined(v)
	}
	s.learn(a, v, dialer.Outcome{}, err, now)
	a.carrier.release(a.units)
	a.carrier, a.ref = nil, ""
	a.stranded, a.call = true, &p.call
	s.stranded = append(s.stranded, a)
	ev := s.event(a)
	ev.Ref, ev.Tries = "", slices.Clone(a.tries) // whoever takes over sees that it was refused
	s.setDeadline(a, now.Add(a.job.batch.RingTimeout+s.grace))
	return true
}

func (a *attempt) tried(carrier string) bool {
	return slices.ContainsFunc(a.tries, func(t store.Try) bool { return t.Carrier == carrier })
}

// mayGoOver says whether a stranded attempt waits for this carrier.
func (a *attempt) mayGoOver(carrier string) bool {
	r := a.job.route
	return a.stranded && r != nil && slices.Contains(r.carriers, carrier) && !a.tried(carrier)
}

// hasOther says whether there may be a carrier that has not refused the attempt. One that the directory names and
// that is not there counts until the directory was asked again since: both may be changing just now.
func (s *scheduler) hasOther(a *attempt) bool {
	r := a.job.route
	if r == nil {
		return true
	}
	since := a.since
	if r.since.After(since) {
		since = r.since
	}
	return slices.ContainsFunc(r.carriers, func(name string) bool {
		return !a.tried(name) && (s.carrier(name) != nil || !s.directed(a.job, since))
	})
}

// redirect has each stranded attempt go on over the first carrier that has room for it.
func (s *scheduler) redirect(now time.Time) {
	s.strandedUntil = time.Time{}
	if len(s.stranded) == 0 {
		return
	}
	waiting := s.stranded
	s.stranded = s.stranded[:0]
	full := map[gate]bool{}
	for _, a := range waiting {
		switch {
		case !a.stranded || s.calls[a.id] != a: // it was ended meanwhile
		case s.draining:
			s.ended(a.id, dialer.Outcome{}, errStopping, now)
		case !s.stands(a):
			s.ended(a.id, dialer.Outcome{}, errChanged, now)
		case !s.hasOther(a): // they were taken away
			s.ended(a.id, dialer.Outcome{}, errNoOther, now)
		case !s.fresh(a.job, now), !s.goOn(a, full, now):
			s.stranded = append(s.stranded, a)
		}
	}
	clear(waiting[len(s.stranded):])
}

// stands says whether a stranded attempt may still be placed as it was begun. If not it is queued again, where what
// has changed holds for it as for everybody: a recipient of a cancelled batch is cancelled then.
func (s *scheduler) stands(a *attempt) bool {
	j := a.job
	return j.route != nil && j.route.from == a.from && s.limit > 0 &&
		j.batch.CancelledAt.IsZero() && j.batch.PausedAt.IsZero()
}

// gate is what one call of several would be refused at as the others are.
type gate struct {
	carrier *carrier
	from    dialer.Phone
	units   int
}

// goOn takes what the attempt needs from the first carrier that has it, and plans the move. full are
// the gates that are known to be closed.
func (s *scheduler) goOn(a *attempt, full map[gate]bool, now time.Time) bool {
	r := a.job.route
	s.order = r.balancer.inOrder(s.order[:0])
	order := s.order
	for _, i := range order {
		c := s.carrier(r.carriers[i])
		if c == nil || a.tried(c.name) {
			continue
		}
		at := gate{c, a.from, r.units}
		if full[at] {
			continue
		}
		no, ok := c.try(s.seat(c, r.units), a.from, now, r.units)
		if !ok {
			full[at] = true
			s.strandedUntil = earliest(s.strandedUntil, no.until)
			continue
		}
		r.balancer.gave(order, i)
		a.carrier, a.units, a.stranded, a.begun = c, r.units, false, now
		a.start = &start{carrier: c}
		a.call.Agent = a.job.endpoint.agent
		a.tries[len(a.tries)-1].At = stored(now) // whoever takes it over has to know when this carrier got it
		ev := s.event(a)
		ev.Carrier, ev.Tries = c.name, slices.Clone(a.tries)
		s.setDeadline(a, now.Add(a.job.batch.RingTimeout+s.grace))
		return true
	}
	return false
}

// moved returns the calls to place over another carrier, now that this is written.
func (s *scheduler) moved(step store.Step) []*placement {
	var starts []*placement
	for i := range step.Events {
		ev := &step.Events[i]
		a := s.calls[ev.CallID]
		if ev.Carrier == "" || a == nil {
			continue
		}
		p := &placement{call: *a.call, carrier: a.carrier, start: a.start}
		p.call.PlacedAt, p.call.Ref = step.Now, ""
		a.call = nil
		starts = append(starts, p)
	}
	return starts
}

// refusedBefore says of a call that was left behind that its carrier had refused it: had it moved on,
// this would have been written.
func refusedBefore(c store.Call) bool {
	n := len(c.Tries)
	return n > 0 && c.Tries[n-1].Carrier == c.Carrier && c.Status == fsm.Dispatched
}

// everyRefusal is the message of an attempt that no carrier took, text being that of the last one.
func (a *attempt) everyRefusal(text string) string {
	if len(a.tries) == 0 {
		return text
	}
	var b strings.Builder
	for _, t := range a.tries {
		fmt.Fprintf(&b, "%s: %s; ", t.Carrier, t.Error)
	}
	if a.carrier != nil {
		fmt.Fprintf(&b, "%s: ", a.carrier.name)
	}
	return b.String() + text
}

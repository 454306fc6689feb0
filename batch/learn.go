package batch

import (
	"errors"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
)

// advances has the attempt's carrier and agent profit from a call that comes further.
func (s *scheduler) advances(a *attempt, stage dialer.Stage, now time.Time) {
	f := fateTook
	if stage == dialer.Connected && a.status == fsm.Dispatched {
		f = fateWent // at once: it may last for hours
	}
	if a.carrier != nil {
		a.tell(f, now, complaint{})
	}
	s.reached(a)
}

func (s *scheduler) reached(a *attempt) {
	id := a.job.batch.AgentID
	if b := s.agents[id]; b != nil {
		b.took(a.begun)
		if b.refusals == 0 {
			delete(s.agents, id)
		}
	}
}

// learn tells the breakers of an attempt's carrier, its number to call from and its agent what its end says of them.
func (s *scheduler) learn(a *attempt, v verdict, o dialer.Outcome, err error, now time.Time) {
	if v.agentOnly() {
		s.unreached(a, v.busy.After, now)
	} else if !v.again && !v.unasked && !a.resumed {
		s.reached(a)
	}
	if a.carrier == nil || a.resumed && err != nil {
		return
	}
	why := complaint{cause: o.Message}
	if v.busy != nil {
		why.after, why.notice = v.busy.After, v.busy.Notice
	}
	if err != nil {
		why.cause = err.Error()
	}
	why.cause = clean(why.cause)
	a.tell(a.fate(v, o, err), now, why)
}

// tell has the carrier learn what became of the attempt there.
func (a *attempt) tell(f fate, now time.Time, why complaint) {
	a.carrier.learn(f, a.from, a.begun, now, why)
	if a.heard != a.carrier {
		a.heard = a.carrier
		a.carrier.heard(a.begun, f == fateTook || f == fateWent)
	}
}

func (s *scheduler) unreached(a *attempt, after time.Duration, now time.Time) {
	id := a.job.batch.AgentID
	if s.agents[id] == nil {
		s.agents[id] = &breaker{}
	}
	s.agents[id].refused(a.begun, now, complaint{after: after})
}

// fate is what the end of an attempt says of its carrier.
func (a *attempt) fate(v verdict, o dialer.Outcome, err error) fate {
	connected := a.status == fsm.Started || !o.ConnectedAt.IsZero()
	switch {
	case v.again, v.unasked, v.agentOnly(), errors.Is(err, errOrphan):
		return fateUnasked
	case v.busy != nil && v.busy.CallerOnly:
		return fateCaller
	case v.busy != nil && a.meant:
		return fateUnasked // it may be full, too: that is for those to tell whom it does take
	case v.busy != nil:
		return fateUnavailable
	case v.certain: // it answered, and means this recipient
		return fateWent
	case a.status == fsm.Started: // that was told when it connected
		return fateTook
	case err != nil, o.Reason == dialer.Error && !connected:
		return fateBroke
	case o.Reason == dialer.APICancelled && !connected && a.rangAt.IsZero() && o.RangAt.IsZero():
		return fateUnasked // it had no time to show anything
	}
	return fateWent
}

// abandon frees what a call held whose end this node does not learn. It may have been a probe of its carrier.
func (s *scheduler) abandon(a *attempt, now time.Time) {
	if a.carrier != nil && a.status == fsm.Dispatched { // else it was told when it connected
		a.tell(fateUnasked, now, complaint{})
	}
	s.remove(a, now)
}

package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
)

// simCarrier is a carrier with its books. It goes on when processes do not.
type simCarrier struct {
	w       *simWorld
	name    string
	index   int
	resumes bool
	keeps   bool // calls whose process is gone go on
	pace    simPace
	limits  dialer.Limits
	former  []dialer.Limits // that it had before, one for each change
	told    map[string][]simTold
	down    bool
	wasDown int64                 // when it last was
	breaks  bool                  // every call breaks down
	records map[string]*simRecord // by call id
}

// simRecord is what a carrier has of a call.
type simRecord struct {
	c       *simCarrier
	call    *simCall
	ref     string
	refused bool

	rings, connects, ends int64 // when; connects may be 0: it does not
	reason                dialer.EndReason
	over                  bool
	version               int // of the plan above
}

func (w *simWorld) newCarriers() []*simCarrier {
	var all []*simCarrier
	for i, name := range []string{"east", "west"} {
		all = append(all, &simCarrier{
			w: w, name: name, index: i, resumes: w.prof.resumes[i], keeps: w.prof.keeps[i], records: map[string]*simRecord{}, told: map[string][]simTold{},
			limits: dialer.Limits{Channels: w.prof.channels[i], CPS: w.prof.cps, Burst: w.prof.burst},
		})
	}
	return all
}

// script is what a carrier and its dialer make of one call.
type script struct {
	err         error // it is refused with
	rings       time.Duration
	answers     bool
	talks       time.Duration
	reason      dialer.EndReason
	replyLost   bool
	panics      int // 1: before it is placed, 2: afterwards
	hangs       bool
	deaf        time.Duration // how long it ignores that it is to end
	overstays   bool
	noReports   bool
	twice       bool
	reversed    bool
	reportDelay time.Duration
}

var errSimRefused = fmt.Errorf("the carrier refuses this call: %w", dialer.ErrNotPlaced)

// drawScript decides what becomes of a call that is given to the carrier now.
func (c *simCarrier) drawScript(call *dialer.Call) script {
	w := c.w
	r := w.rng
	s := script{
		rings: w.between(time.Second, 20*time.Second), answers: r.IntN(4) > 0,
		talks: w.between(5*time.Second, w.prof.scaled(5*time.Minute)), reason: pick(r, dialer.AgentHangup, dialer.ClientHangup),
	}
	if !s.answers {
		s.reason = pick(r, dialer.DialBusy, dialer.DialFailed, dialer.DialNoAnswer, dialer.DialNoAnswer)
	}
	if !w.faults.active {
		return s
	}
	if w.prof.on[carrierPicky] && c.dislikes(call) {
		s.err = errSimRefused
		w.seen.fault(carrierPicky)
		return s
	}
	refusals := []struct {
		kind faultKind
		err  error
	}{
		{carrierRefuses, errSimRefused},
		{carrierUnavailable, &dialer.UnavailableError{After: w.between(0, 10*time.Second)}},
		{carrierCaller, &dialer.UnavailableError{CallerOnly: true}},
		{carrierAgent, &dialer.UnavailableError{AgentOnly: true}},
	}
	if x := refusals[r.IntN(len(refusals))]; w.prof.on[x.kind] && w.chance(max(6/w.prof.storm, 2)) {
		s.err = x.err
		w.seen.fault(x.kind)
		return s
	}
	c.misbehave(&s)
	return s
}

// dislikes says whether it refuses whoever is called, each time.
func (c *simCarrier) dislikes(call *dialer.Call) bool {
	const one = 8
	h := c.w.seed + uint64(c.index)
	for i := range len(call.To) {
		h = mix(h ^ uint64(call.To[i]))
	}
	return h%one == 0
}

func (c *simCarrier) misbehave(s *script) {
	w := c.w
	if c.breaks {
		w.seen.fault(carrierReplyLost)
		s.replyLost = true
		return
	}
	k := carrierReplyLost + faultKind(w.rng.IntN(int(reportLate-carrierReplyLost)+1))
	if !w.prof.on[k] || !w.chance(max(5/w.prof.storm, 2)) {
		return
	}
	w.seen.fault(k)
	switch k { //nolint:exhaustive // it was drawn from these
	case carrierReplyLost:
		s.replyLost = true
	case carrierPanics:
		s.panics = 1 + w.rng.IntN(2)
	case carrierHangs:
		s.hangs = true
	case carrierIgnoresCancel:
		s.deaf = w.between(0, 4*w.prof.grace)
	case carrierIgnoresTime:
		s.overstays = true
	case reportTwice:
		s.twice = true
	case reportReversed:
		s.reversed = true
	case reportNever:
		s.noReports = true
	case reportLate:
		s.reportDelay = w.between(0, 20*time.Second)
	}
}

// take is where a call reaches the carrier.
func (c *simCarrier) take(p *simProc, call dialer.Call, s *script) (*simRecord, error) {
	w := c.w
	switch {
	case c.down && w.chance(2):
		return nil, &dialer.UnavailableError{Cause: errors.New("503")}
	case c.down:
		return nil, &dialer.UnavailableError{Cause: errors.New("503"), After: 3 * time.Second}
	}
	known := w.ledger.dialled(c, call)
	if s.err != nil {
		if known != nil {
			c.records[call.ID] = &simRecord{c: c, call: known, refused: true, over: true}
		}
		return nil, s.err
	}
	if known == nil {
		return nil, errSimRefused // the play has failed already
	}
	r := &simRecord{c: c, call: known, ref: "ref-" + call.ID[len(call.ID)-6:], reason: s.reason}
	r.rings = w.now + int64(s.rings)
	r.ends = r.rings + int64(s.talks)/8
	switch ring, talk := int64(call.RingTimeout), int64(call.MaxDuration); {
	case s.answers:
		r.connects = r.rings + int64(s.talks)/10
		if !s.overstays {
			r.connects = min(r.connects, w.now+ring-1)
		}
		r.ends = r.connects + int64(s.talks)
		if s.overstays {
			r.ends = r.connects + talk + 6*int64(w.prof.grace)
		} else if int64(s.talks) >= talk {
			r.ends, r.reason = r.connects+talk, dialer.MaxDuration
		}
	case s.overstays:
		r.ends = w.now + ring + 6*int64(w.prof.grace)
	case s.reason == dialer.DialNoAnswer:
		r.ends = w.now + ring
	}
	c.records[call.ID] = r
	w.ledger.accepted(p, r)
	c.endLater(r)
	return r, nil
}

func (c *simCarrier) endLater(r *simRecord) {
	r.version++
	version := r.version
	c.w.do(time.Duration(r.ends-c.w.now), func() {
		if r.version == version && !r.over {
			r.over = true
			c.w.ledger.hungUp(r)
		}
	})
}

// hangUp ends a call soon.
func (c *simCarrier) hangUp(r *simRecord, reason dialer.EndReason, after time.Duration) {
	if at := c.w.now + int64(after); !r.over && at < r.ends {
		r.ends, r.reason = at, reason
		if r.connects > at {
			r.connects = 0
		}
		c.endLater(r)
	}
}

// outcome of a call that is over.
func (r *simRecord) outcome(p *simProc) dialer.Outcome {
	o := dialer.Outcome{Reason: r.reason, Ref: r.ref, EndedAt: r.at(p, r.ends)}
	if r.rings < r.ends {
		o.RangAt = r.at(p, r.rings)
	}
	if r.connects > 0 && r.connects <= r.ends {
		o.ConnectedAt = r.at(p, r.connects)
	}
	return o
}

// at is a time of the carrier's, as its dialer tells it in a process.
func (r *simRecord) at(p *simProc, t int64) time.Time { return clockReading(t+p.skew, t).Round(0) }

// simDial is a call that was given to a dialer which has not returned.
type simDial struct {
	p     *simProc
	c     *simCarrier
	call  *simCall
	rec   *simRecord
	units int
	ctx   context.Context //nolint:containedctx // of the call: it says whether its dialer was told to end it

	dialer  int
	owner   string // of the call when it was given to it
	resumed bool
	left    bool // it has returned
}

func (p *simProc) beginDial(d *simDial) {
	p.w.current.dialing = true
	p.dials[d.c.name] = append(p.dials[d.c.name], d)
}

func (p *simProc) endDial(d *simDial) {
	p.w.current.dialing = false
	d.left = true
	all := p.dials[d.c.name]
	i := slices.Index(all, d)
	p.dials[d.c.name] = slices.Delete(all, i, i+1)
}

// lost is what becomes of the call when its process is gone.
func (d *simDial) lost() {
	if d.rec != nil && !d.c.resumes && !d.c.keeps && !d.rec.over {
		d.c.hangUp(d.rec, dialer.ClientDisconnected, d.c.w.between(0, 20*time.Second))
	}
}

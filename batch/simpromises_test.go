package batch

import (
	"context"
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// What a process owes within a time is judged when that is over, where nothing hindered it: nothing went wrong
// between it and the store, nobody paused it or asked it to stop.

// soon is how long a process takes to do what it has learned of, where nothing hinders it.
const soon = 2 * time.Second

// hindered says whether something kept the process from its work since a time.
func (p *simProc) hindered(since int64) bool {
	before := int64(2*p.w.prof.storeTimeout + 10*time.Second) // a request that was lost then may have kept it until now
	return p.dead || p.paused || p.stopping || p.slot.cut || p.troubled > 0 && p.troubled >= since-before
}

// within judges after a time what the owner of a call was to do until then.
func (l *simLedger) within(d time.Duration, c *simCall, judge func(p *simProc)) {
	p, owner, since := l.procOf(c.owner), c.owner, l.w.now
	if p == nil {
		return
	}
	l.w.do(d, func() {
		if c.owner == owner && l.alive(owner) && !p.hindered(since) {
			judge(p)
		}
	})
}

// procOf returns the process that has this name in the store now; nil: none.
func (l *simLedger) procOf(node string) *simProc {
	for _, s := range l.w.slots {
		if s.proc != nil && s.proc.node == node {
			return s.proc
		}
	}
	return nil
}

// askedToEnd judges that the process which has a call ends it when another one is asked to.
func (l *simLedger) askedToEnd(asked *simProc, c *simCall) {
	if c.owner == asked.node || c.over {
		return
	}
	l.within(l.w.prof.poll+soon, c, func(p *simProc) {
		if c.stranded && c.owner == c.claimer && !c.over && !c.ending {
			l.fail("%s was to end %s, as %s was asked, and has it wait for a carrier", p.name, c.id, asked.name)
		}
		for _, d := range p.dials[c.carrier] {
			if d.call == c && !c.ending && !c.over && d.ctx.Err() == nil {
				l.fail("%s was to end %s, as %s was asked %v ago, and has not told its dialer", p.name, c.id, asked.name, l.w.prof.poll+soon)
			}
		}
		if c.over && c.reason == dialer.APICancelled {
			l.w.seen.branch(cancelledElsewhere)
		}
	})
}

// adopted judges that a node has taken over calls.
func (l *simLedger) adopted(node string, calls []store.Claimed) {
	if !l.alive(node) {
		l.fail("%s took over calls after its lease", node)
	}
	for i := range calls {
		c := l.calls[calls[i].Call.ID]
		switch {
		case c == nil || c.over:
			l.fail("%s took over %s, which is not in flight", node, calls[i].Call.ID)
		case l.alive(c.owner):
			l.fail("%s took over %s from %s, whose lease runs", node, c.id, c.owner)
		default:
			c.owner, c.adopted = node, l.w.now
			l.w.seen.branch(tookOver)
		}
	}
}

// orphaned judges what becomes of calls that a process has learned it took over, where their carrier cannot say: they
// end at once, their fate unknown, and hold no slot longer.
func (l *simLedger) orphaned(p *simProc, calls []store.Claimed) {
	for i := range calls {
		c := l.calls[calls[i].Call.ID]
		if c == nil || c.over || l.w.carrier(c.carrier).resumes {
			continue
		}
		l.within(soon, c, func(*simProc) {
			if !c.over {
				l.fail("%s took over %s %v ago, of which %s can tell nothing, and holds a slot for it", p.name, c.id, soon, c.carrier)
			}
		})
	}
}

// endedUnknown judges the end of a call that was taken over where its carrier cannot say what became of it.
func (l *simLedger) endedUnknown(c *simCall) {
	if c.owner == c.claimer || l.w.carrier(c.carrier).resumes {
		return
	}
	if !c.unplaced && c.reason != dialer.Error {
		l.fail("%s ended as %q, and %s cannot have told that", c.id, c.reason, c.carrier)
	}
	if c.rec != nil && !c.rec.over {
		l.w.seen.branch(keptUnknown)
	}
}

// resumedToAnEnd judges the end of a call that was taken over where its carrier can say what became of it: that is what
// is to be written. Who owned it has no way to ask where the carrier was down since, or taken away from it, or where it
// was paused itself until the time was over that it gives its dialer.
func (l *simLedger) resumedToAnEnd(c *simCall, ev *store.Event) {
	k, p := l.w.carrier(c.carrier), l.procOf(c.owner)
	if c.owner == c.claimer || !k.resumes || c.rec == nil || c.reason != dialer.Error || p == nil {
		return
	}
	if k.down || k.wasDown >= c.adopted || p.back[k.index] >= c.adopted || p.woke >= c.adopted {
		return
	}
	l.fail("%s was taken over by %s and ended, its fate unknown (%s), which %s could tell: over %v", c.id, c.owner, ev.Error, k.name, c.rec.over)
}

// crowded judges that a node begins calls at a carrier only while all that it has there fit into its share, those
// that it has taken over too.
func (l *simLedger) crowded(p *simProc, s *store.Step) {
	for _, c := range l.w.carriers {
		n := begins(s, c.name)
		if c.limits.Channels == 0 || n == 0 {
			continue
		}
		n *= l.units(s.Org)
		adopted := 0
		for _, d := range p.dials[c.name] {
			switch {
			case !p.holds(c, d):
			case d.resumed: // the directory may not have said yet that it weighs more
				adopted++
			default:
				n += d.units
			}
		}
		if adopted > 0 {
			l.w.seen.branch(beganBesideAdopted)
		}
		k := p.engine.carriers.get(c.name)
		if k == nil { // it goes on over one that was taken away a moment ago
			continue
		}
		if most := k.most * (p.told[c.index] + 1) / whole; n+adopted > most { // as far as it knows
			for _, d := range p.dials[c.name] {
				l.w.tell("a dialer of %s has %s, for %d units, resumed %v, counted %v", p.name, d.call.id, d.units, d.resumed, p.holds(c, d))
			}
			p.describe()
			l.fail("%s begins calls at %s, so that it has %d there and %d that it took over; its share of %d channels is %d",
				p.name, c.name, n, adopted, k.most, most)
		}
	}
}

// holds says whether a dialer of the process has a call for which it keeps a channel.
func (p *simProc) holds(c *simCarrier, d *simDial) bool {
	// A carrier that was taken away from a node is none of whose use it tells.
	return d.dialer > p.gone[c.name] && d.call != nil && !d.call.ending && !d.call.over &&
		d.owner != "" && d.call.owner == d.owner && p.w.ledger.alive(d.owner)
}

// tells takes note of the shares of carriers that the process tells the others.
func (p *simProc) tells(n store.Node) {
	for _, c := range p.w.carriers {
		p.told[c.index] = 0
		if i := slices.Index(n.Carriers, c.name); i >= 0 {
			p.told[c.index] = n.Shares[i]
		}
	}
}

// cancelStranded has somebody end a call that its carrier refused and whose node has just died.
func (w *simWorld) cancelStranded(node string) {
	for i := len(w.clients.latest) - 1; i >= max(0, len(w.clients.latest)-40); i-- {
		c := w.clients.latest[i]
		if c.stranded && !c.over && c.owner == node {
			w.request("end "+c.id, func(ctx context.Context, e *Engine) error {
				return e.CancelCall(ctx, c.batch.org, c.id)
			}, nil)
			return
		}
	}
}

package guard

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/outdial/outdial/dialer"
)

// Ledger is what the guards before several carriers have in common: how many calls went to each block of
// numbers within the last hour, over whichever carrier and for whomever, since a fraud takes every
// way there is and whoever pays the carriers pays for all of them. So Rules.Hourly is not multiplied by the
// number of carriers, nor of tenants. A ledger that is kept while carriers are replaced keeps the counts, whatever
// the rules were and are now.
//
// A call that is under way to its carrier may still turn out not to be placed, so it takes up room but
// forbids nothing: a call that there is no room for only because of such calls is put off, not refused.
//
// It is in memory: several processes count each for themselves, and a new process begins at none.
//
// Make the guards of carriers that stand in for each other with one ledger. The zero value is ready for use. It is
// safe for concurrent use.
type Ledger struct {
	mu     sync.Mutex
	origin time.Time            // what steps are counted from; zero: no call yet
	guards map[*plain]struct{}  // that are not closed
	blocks [MaxBlock + 1]*hours // by how many last digits are ignored; nil: nobody has a limit to such blocks
	open   int                  // carriers without a guard
}

// Guard returns a dialer like [New] does, whose calls count with those of all guards of this ledger. Close it when
// it is not used any more: until then, what it allows is taken for possible elsewhere when another guard of
// the ledger refuses a call.
func (l *Ledger) Guard(d dialer.Dialer, rules Rules) (dialer.Dialer, error) {
	if d == nil {
		return nil, errors.New("guard: expected a dialer, and got none")
	}
	p, err := rules.compile()
	if err != nil {
		return nil, err
	}
	g := &plain{inner: d, policy: p, ledger: l}
	l.join(g)
	if r, ok := d.(dialer.Resumer); ok {
		return &resumable{plain: g, resumer: r}, nil
	}
	return g, nil
}

// Unguarded tells that calls may take a carrier without a guard too, which admits whatever there is a rule for. So
// no guard of the ledger refuses a call finally for its country or for the calls of an hour, until leave is called
// because that carrier is not used any more. The carrier's own calls are not counted. More than one leave does
// no harm.
func (l *Ledger) Unguarded() (leave func()) {
	l.addOpen(1)
	return sync.OnceFunc(func() { l.addOpen(-1) })
}

func (l *Ledger) addOpen(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open += n
}

func (l *Ledger) join(g *plain) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.guards == nil {
		l.guards = map[*plain]struct{}{}
	}
	l.guards[g] = struct{}{}
	if l.blocks[finest] == nil {
		l.blocks[finest] = newHours()
	}
	if p := g.policy; p.hourly > 0 && l.blocks[p.digits] == nil {
		l.blocks[p.digits] = l.blocks[finest].coarser(p.digits - finest)
	}
}

// finest is the smallest block that a guard may have. Those are counted even where nobody has a limit to them: the
// count of larger blocks is made of theirs when a guard brings such.
const finest = 1

func (l *Ledger) leave(g *plain) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.guards, g)
}

// room says whether the policy lets one call more to the number's block, whatever becomes of those under way.
func (l *Ledger) room(p *policy, to dialer.Phone, at uint32) bool {
	return p.hourly == 0 || l.blocks[p.digits].count(block(to, p.digits), at) < p.hourly
}

// stepOf numbers the steps from the first call on, 1 being the first.
func (l *Ledger) stepOf(now time.Time) uint32 {
	if l.origin.IsZero() {
		l.origin = now
	}
	return uint32(max(now.Sub(l.origin)/step, 0)) + 1 //nolint:gosec // it overflows after 8,000 years
}

// decide makes a refusal final where no guard lets the call through, and no carrier does without one.
func (l *Ledger) decide(refused error, to dialer.Phone, now time.Time) error {
	if e, ok := errors.AsType[*RefusedError](refused); ok {
		e.Final = e.Rule.holdsForAll() || !l.isOpen() && !l.admitted(to, now)
	}
	return refused
}

func (l *Ledger) isOpen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open > 0
}

// admitted says whether there is a guard that would let a call to the number through.
func (l *Ledger) admitted(to dialer.Phone, now time.Time) bool {
	return slices.ContainsFunc(l.policies(), func(p *policy) bool {
		if p.check(to) != nil {
			return false
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.room(p, to, l.stepOf(now))
	})
}

// policies returns those of all guards, to be asked without keeping others waiting.
func (l *Ledger) policies() []*policy {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*policy, 0, len(l.guards))
	for g := range l.guards {
		all = append(all, g.policy)
	}
	return all
}

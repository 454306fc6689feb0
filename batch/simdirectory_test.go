package batch

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
)

// simOrg is what the directory knows of an organisation.
type simOrg struct {
	name   string
	limit  int
	number Number
	usual  Number // its number, where nobody changes it
	down   bool
	seenAt int64 // when the directory last failed or was slow
	limits []limitSince
}

type limitSince struct {
	at    int64
	limit int
}

func (o *simOrg) setLimit(w *simWorld, limit int) {
	o.limit = limit
	o.limits = append(o.limits, limitSince{w.now, limit})
	w.tell("the limit of %s is %d", o.name, limit)
}

func (o *simOrg) recover(w *simWorld) {
	o.down, o.seenAt = false, w.now
	w.tell("the directory of %s is up", o.name)
}

// most returns the highest limit that was in force at some moment since.
func (o *simOrg) most(since int64) int {
	most := o.limit
	for _, l := range slices.Backward(o.limits) {
		most = max(most, l.limit)
		if l.at <= since {
			break
		}
	}
	return most
}

func (l *simLedger) org(name string) *simOrg {
	for _, o := range l.w.orgs {
		if o.name == name {
			return o
		}
	}
	return nil
}

func (l *simLedger) units(org string) int { return l.org(org).number.channels() }

var errSimDirectory = errors.New("the directory cannot be reached")

// simDirectory is the directory as a process reaches it.
type simDirectory struct{ p *simProc }

func (d *simDirectory) org(ctx context.Context, name string) (*simOrg, error) {
	w := d.p.w
	for _, o := range w.orgs {
		if o.name != name {
			continue
		}
		if w.faults.active && w.prof.on[directorySlow] && w.chance(20) {
			w.seen.fault(directorySlow)
			o.seenAt = w.now
			if !(simSystem{d.p}).sleep(ctx, w.between(0, 2*w.prof.storeTimeout)) {
				panic(errKilled)
			}
			o.seenAt = w.now
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
		d.hang() //nolint:contextcheck // it ignores who asks
		if o.down {
			o.seenAt = w.now
			return nil, errSimDirectory
		}
		return o, nil
	}
	return nil, ErrNotFound
}

// hang does not return from a question for a while, whatever becomes of who asked.
func (d *simDirectory) hang() {
	w, t := d.p.w, d.p.w.current
	longest := w.prof.scaled(20 * time.Minute)
	if !w.faults.active || !w.prof.on[directoryHangs] || !w.chance(60) {
		return
	}
	w.seen.fault(directoryHangs)
	t.dialing = true // Run does not wait for it
	defer func() { t.dialing = false }()
	if !(simSystem{d.p}).sleep(context.Background(), w.between(0, longest)) {
		panic(errKilled)
	}
}

func (d *simDirectory) Organisation(ctx context.Context, name string) (Organisation, error) {
	o, err := d.org(ctx, name)
	if err != nil {
		return Organisation{}, err
	}
	return Organisation{ConcurrencyLimit: o.limit}, nil
}

func (d *simDirectory) Agent(ctx context.Context, name, id string) (dialer.Agent, error) {
	if d.p.w.prof.changing {
		if _, err := d.org(ctx, name); err != nil {
			return dialer.Agent{}, err
		}
	}
	return dialer.Agent{ID: id}, nil
}

func (d *simDirectory) Number(ctx context.Context, name, _ string) (Number, error) {
	o, err := d.org(ctx, name)
	if err != nil {
		return Number{}, err
	}
	return o.number, nil
}

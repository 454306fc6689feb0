package batch_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

// lateRefusal is a carrier with one channel that refuses one organisation's calls, after a while.
func lateRefusal(t *testing.T, err error, change ...func(*batch.Config)) *world {
	t.Helper()
	return newWorld(t, dialer.Limits{}, append(change, func(c *batch.Config) {
		c.Dialers["fake"] = &gatekeeper{
			Dialer: c.Dialers["fake"], limits: dialer.Limits{Channels: 1},
			refuse: func(call dialer.Call) error {
				if call.Org != org {
					return nil
				}
				pass(200 * time.Millisecond) // until it is known
				return err
			},
		}
	})...)
}

// requireTurns has an organisation with calls of a second take turns at the channel with one that cannot use it.
func requireTurns(t *testing.T, w *world) {
	t.Helper()
	w.dir.limit("other", 5)
	w.script(500, 200, fake.Behaviour{Talk: time.Second})
	w.run()
	w.create(request(30))
	r := request(0)
	r.Recipients = numbers(500, 200)
	b := w.createFor("other", r)
	pass(3 * time.Minute)
	require.Greater(t, w.batchOf("other", b.ID).Counts.Completed, 120, "a call lasts a second")
}

// A channel is not kept for an organisation whose agent rests: others can use it meanwhile.
func TestADeadAgentKeepsNoChannel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		requireTurns(t, lateRefusal(t, &dialer.UnavailableError{AgentOnly: true}))
	})
}

// numberOf has each organisation call from a number of its own.
type numberOf struct{ *directory }

func (d numberOf) Number(ctx context.Context, tenant, id string) (batch.Number, error) {
	n, err := d.directory.Number(ctx, tenant, id)
	if tenant == org {
		n.E164 = restingNumber
	}
	return n, err
}

const restingNumber = "+442079460001"

// Nor for one whose number to call from rests, which may be for as long as the carrier asks.
func TestARestingCallerKeepsNoChannel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := lateRefusal(t, &dialer.UnavailableError{CallerOnly: true, After: time.Hour})
		w.cfg.Directory = numberOf{w.dir}
		w.engine = w.newEngine()
		requireTurns(t, w)
	})
}

// hangingDirectory does not answer for one organisation while it hangs.
type hangingDirectory struct {
	*directory

	hangs atomic.Bool
}

func (d *hangingDirectory) Organisation(ctx context.Context, tenant string) (batch.Organisation, error) {
	if d.hangs.Load() && tenant == org {
		<-ctx.Done()
		return batch.Organisation{}, ctx.Err()
	}
	return d.directory.Organisation(ctx, tenant)
}

// While the directory does not answer for an organisation no call begins for it, and no channel is kept for it.
func TestAHangingDirectoryKeepsNoChannel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{Channels: 1})
		d := &hangingDirectory{directory: w.dir}
		w.cfg.Directory = d
		w.engine = w.newEngine()
		w.dir.limit("other", 5)
		w.script(0, 600, fake.Behaviour{Talk: time.Second})
		w.run()
		w.create(request(200))
		r := request(0)
		r.Recipients = numbers(300, 200)
		b := w.createFor("other", r)
		pass(20 * time.Second)
		d.hangs.Store(true)
		pass(4 * time.Second)
		before := w.batchOf("other", b.ID).Counts.Completed
		pass(20 * time.Second)
		require.Greater(t, w.batchOf("other", b.ID).Counts.Completed-before, 15)
	})
}

// A node that cannot use a channel for a number that rests leaves it to another node.
func TestARestingCallerKeepsNoOtherNodeWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		limits := dialer.Limits{Channels: 1}
		w := fleet(t, limits)
		w.dir.set(func(d *directory) { d.number.AnyRegion = true })
		us := &directory{
			orgs:   map[string]batch.Organisation{"a": {ConcurrencyLimit: 40}},
			number: batch.Number{E164: restingNumber, Carriers: []string{"fake"}, AnyRegion: true},
		}
		w.cfg.Dialers = map[string]dialer.Dialer{"fake": &gatekeeper{
			Dialer: w.carrier.WithoutResume(), limits: limits,
			refuse: func(c dialer.Call) error {
				if c.From != restingNumber {
					return nil
				}
				pass(200 * time.Millisecond)
				return &dialer.UnavailableError{CallerOnly: true, After: time.Hour}
			},
		}}
		w.engine = w.newEngine()
		w.joinFor(us, "US")
		w.joinFor(w.dir, "EU")
		w.script(0, 40, fake.Behaviour{Talk: time.Second})
		pass(time.Minute)
		w.createIn("US", request(10))
		pass(10 * time.Second)
		b := w.createIn("EU", request(40))
		pass(10 * time.Minute)
		require.True(t, w.batchOf("a", b.ID).Counts.Over(), "%+v", w.batchOf("a", b.ID).Counts)
	})
}

// One who has two numbers of which one rests keeps the turn of the other one.
func TestARestingCallerTakesNoTurnFromAnotherNumber(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.cfg.Dialers["fake"] = &gatekeeper{
			Dialer: w.cfg.Dialers["fake"], limits: dialer.Limits{Channels: 1},
			refuse: func(c dialer.Call) error {
				if c.From != restingNumber {
					return nil
				}
				return &dialer.UnavailableError{CallerOnly: true, After: time.Hour}
			},
		}
		w.cfg.Directory = resting{w.dir}
		w.engine = w.newEngine()
		w.dir.limit("other", 5)
		w.script(0, 600, fake.Behaviour{Talk: time.Second})
		w.run()
		rests := request(20)
		rests.NumberID = "resting"
		w.create(rests)
		r := request(0)
		r.Recipients = numbers(300, 200)
		other := w.createFor("other", r)
		r.Recipients = numbers(50, 200)
		mine := w.create(r)
		pass(2 * time.Minute)
		require.Greater(t, w.batchOf("other", other.ID).Counts.Completed, 50)
		require.Greater(t, w.batch(mine.ID).Counts.Completed, 50)
	})
}

// resting has a second number.
type resting struct{ *directory }

func (d resting) Number(ctx context.Context, tenant, id string) (batch.Number, error) {
	if id == "resting" {
		return batch.Number{E164: restingNumber, Carriers: []string{"fake"}}, nil
	}
	return d.directory.Number(ctx, tenant, id)
}

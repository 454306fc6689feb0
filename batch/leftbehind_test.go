package batch_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

// slowToEnd is a dialer that takes its time to hang up.
type slowToEnd struct {
	dialer.Dialer

	by time.Duration
}

func (d slowToEnd) Dial(ctx context.Context, _ dialer.Call, _ func(dialer.Progress)) (dialer.Outcome, error) {
	<-ctx.Done()
	pass(d.by)
	return dialer.Outcome{Reason: dialer.HangUpReason(ctx, false)}, nil
}

// oneMore is another dialer of the same carrier.
type oneMore struct{ dialer.Dialer }

func (d oneMore) Limits() dialer.Limits { return d.Dialer.(dialer.Limiter).Limits() }

func (d oneMore) Resume(ctx context.Context, c dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
	return d.Dialer.(dialer.Resumer).Resume(ctx, c, report)
}

// overSlow is a directory in which the organisation "slow" calls over the carrier of that name.
type overSlow struct{ batch.Directory }

func (d overSlow) Number(ctx context.Context, org, id string) (batch.Number, error) {
	n, err := d.Directory.Number(ctx, org, id)
	if org == "slow" {
		n.Carriers = []string{"slow"}
	}
	return n, err
}

// A node that stops leaves calls behind, and gets other dialers while it still waits for one that does not hang up.
func TestDialersAreReplacedWhileCallsAreLeftBehind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const channels = 6
		w := fleet(t, dialer.Limits{Channels: channels})
		for i := range 200 {
			w.script(i, 1, fake.Behaviour{Talk: 10 * time.Minute})
		}
		w.dir.set(func(d *directory) { d.orgs["slow"] = batch.Organisation{ConcurrencyLimit: 5} })
		w.cfg.Directory = overSlow{w.dir}
		w.cfg.DrainTimeout, w.cfg.Lease, w.cfg.Grace = batch.NoDrain, 20*time.Second, 5*time.Minute
		slow := slowToEnd{w.carrier.Dialer(), time.Minute}
		w.cfg.Dialers = map[string]dialer.Dialer{"fake": w.carrier.Dialer(), "slow": slow}
		first, stop := w.join()
		r := request(channels)
		r.Target = 20
		w.createFor("a", r)
		r = request(1)
		r.RingTimeout = 80 * time.Second
		w.createFor("slow", r)
		pass(5 * time.Second)
		require.Equal(t, channels, channelsInUse(first))
		w.cfg.Dialers = map[string]dialer.Dialer{"fake": oneMore{w.carrier.Dialer()}}
		w.join()
		pass(time.Second)
		done := make(chan error, 1)
		go func() { done <- stop() }()
		pass(2 * time.Second)
		_, err := first.SetDialers(map[string]dialer.Dialer{"fake": oneMore{w.carrier.Dialer()}, "slow": slow})
		require.NoError(t, err)
		r = request(100)
		r.Recipients, r.Target = numbers(100, 100), 20
		w.createFor("b", r)
		most := 0
		for range 100 {
			pass(time.Second)
			most = max(most, w.carrier.Live())
		}
		pass(time.Hour)
		require.NoError(t, <-done)
		require.LessOrEqual(t, most, channels)
	})
}

// limited is a dialer whose carrier is said to have other limits.
type limited struct {
	dialer.Dialer

	limits dialer.Limits
}

func (l limited) Limits() dialer.Limits { return l.limits }

// The channels of a carrier are made fewer at two nodes: no call begins before enough have ended.
func TestChannelsThatAreLoweredHoldOverAllNodes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := fleet(t, dialer.Limits{})
		w.script(0, 100, fake.Behaviour{Talk: 30 * time.Minute})
		w.script(100, 100, fake.Behaviour{Talk: 10 * time.Second})
		w.dir.set(func(d *directory) { d.number.AnyRegion = true })
		w.cfg.Dialers = map[string]dialer.Dialer{"fake": limited{w.carrier.WithoutResume(), dialer.Limits{Channels: 10}}}
		first := w.joinFor(w.dir, "US")
		second := w.joinFor(w.dir, "EU")
		pass(20 * time.Second)
		r := request(20)
		r.Target = 20
		w.createIn("US", r)
		r = request(100)
		r.Recipients, r.Target = numbers(100, 100), 20
		w.createIn("EU", r)
		pass(35 * time.Second)
		require.Equal(t, 5, channelsInUse(first))
		require.Equal(t, 5, channelsInUse(second))
		for _, e := range []*batch.Engine{first, second} {
			_, err := e.SetDialers(map[string]dialer.Dialer{"fake": limited{w.carrier.WithoutResume(), dialer.Limits{Channels: 2}}})
			require.NoError(t, err)
		}
		pass(20 * time.Second) // what the second one had has ended
		w.carrier.Mark("settled")
		pass(10 * time.Minute)
		begun := len(w.carrier.Books().PlacedAfter("settled", fake.Scope{}))
		require.Zero(t, begun, "calls have begun while five are in flight at a carrier that takes two")
		pass(time.Hour)
		require.NotEmpty(t, w.carrier.Books().PlacedAfter("settled", fake.Scope{}), "and then they do begin")
	})
}

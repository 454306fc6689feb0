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
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// hanging is a store of which the next answer of a kind comes late.
type hanging struct {
	store.Store

	nodes, beat atomic.Int64 // by so many nanoseconds
}

func late(ctx context.Context, by *atomic.Int64) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(by.Swap(0))):
		return nil
	}
}

func (s *hanging) Nodes(ctx context.Context) ([]store.Node, error) {
	if err := late(ctx, &s.nodes); err != nil {
		return nil, err
	}
	return s.Store.Nodes(ctx)
}

func (s *hanging) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	if err := s.Store.Heartbeat(ctx, n, lease); err != nil {
		return err
	}
	return late(ctx, &s.beat)
}

func newHanging(t *testing.T) (*world, *hanging) {
	t.Helper()
	s := &hanging{}
	w := newWorld(t, dialer.Limits{}, func(c *batch.Config) {
		s.Store = c.Store
		c.Store = s
	})
	w.run()
	pass(2 * time.Second)
	return w, s
}

// Who else dials is asked for between heartbeats: no answer to that must not cost the lease.
func TestALeaseOutlastsAnAnswerThatNeverComes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, s := newHanging(t)
		w.script(0, 1, fake.Behaviour{Talk: 40 * time.Second})
		b := w.create(request(1))
		pass(2 * time.Second)
		s.nodes.Store(int64(time.Hour))
		require.Equal(t, 1, w.awaitOver(b.ID, 5*time.Minute).Counts.Completed)
	})
}

// A heartbeat that is begun before the lease is over and answered after it wakes those who waited in between.
func TestALeaseThatIsRenewedLateWakesWhoWaits(t *testing.T) {
	for delay := 6 * time.Second; delay < 10*time.Second; delay += 250 * time.Millisecond {
		bubble(t, func(t *testing.T) {
			w, s := newHanging(t)
			s.nodes.Store(int64(3 * time.Second))
			s.beat.Store(int64(3 * time.Second))
			pass(delay)
			b := w.create(request(1))
			w.await(b.ID, time.Minute, fsm.Counts.Over)
		})
	}
}

// hungOrgs is a directory that stops to answer questions about organisations, whatever becomes of their context.
type hungOrgs struct {
	batch.Directory

	hangs chan struct{} // closed: it has
	until chan struct{} // closed: it answers
}

func (d *hungOrgs) Organisation(ctx context.Context, id string) (batch.Organisation, error) {
	select {
	case <-d.hangs:
		<-d.until
	default:
	}
	return d.Directory.Organisation(ctx, id)
}

// Who waits in Reserve need not wait for the directory when nobody waits for them any more.
func TestReserveEndsWithItsContextWhateverTheDirectoryDoes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := &hungOrgs{hangs: make(chan struct{}), until: make(chan struct{})}
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) {
			d.Directory = c.Directory
			c.Directory = d
		})
		w.script(0, 10, fake.Behaviour{Talk: time.Minute})
		w.run()
		r := request(10)
		r.Target = 10
		w.create(r)
		pass(2 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() {
			_, err := w.engine.Reserve(ctx, org, 5)
			done <- err
		}()
		pass(time.Millisecond)
		close(d.hangs)
		pass(time.Minute)
		ended := len(done)
		close(d.until)
		require.Equal(t, 1, ended)
		require.ErrorIs(t, <-done, context.DeadlineExceeded)
	})
}

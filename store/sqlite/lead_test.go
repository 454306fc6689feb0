package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
)

// note is a job that tells when it is run, and then does something more.
func (b *bench) note(ran *[]string, name string, then func(ctx context.Context, c *connection) error) *job {
	return &job{ctx: b.t.Context(), answer: make(chan error, 1), run: func(ctx context.Context, c *connection) error {
		*ran = append(*ran, name)
		if then == nil {
			return nil
		}
		return then(ctx, c)
	}}
}

func TestWhatTheLeaseHangsOnIsTakenFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var ran []string
	beat := func(name string) *job {
		j := b.note(&ran, name, nil)
		j.leads = true
		return j
	}
	inside := beat("beat inside of the group")
	all := []*job{inside}
	for _, j := range []*job{
		b.note(&ran, "1", func(context.Context, *connection) error {
			b.lead <- inside
			return nil
		}),
		b.note(&ran, "2", nil),
		b.note(&ran, "3", nil),
	} {
		b.jobs <- j
		all = append(all, j)
	}
	first := beat("beat before the group")
	b.lead <- first
	b.group(b.take())
	require.Empty(t, b.lead, "all were in the group")
	for _, j := range append(all, first) {
		require.NoError(t, <-j.answer)
	}
	require.Equal(t, []string{"beat before the group", "1", "beat inside of the group", "2", "3"}, ran)
}

// After a transaction was lost each of its jobs costs a sync.
func TestWhatTheLeaseHangsOnIsTakenFirstAfterALoss(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var ran []string
	late := b.note(&ran, "beat that came late", nil)
	late.leads = true
	beat := b.note(&ran, "beat", nil)
	beat.leads = true
	again := false
	jobs := []*job{
		b.note(&ran, "1", func(context.Context, *connection) error {
			if again {
				b.lead <- late
			}
			return nil
		}),
		b.note(&ran, "2", func(context.Context, *connection) error {
			if !again {
				b.lead <- beat
			}
			return nil
		}),
		b.note(&ran, "lost", func(ctx context.Context, c *connection) error {
			again = true
			_, err := c.exec(ctx, "ROLLBACK")
			return errors.Join(err, errMine)
		}),
	}
	for _, j := range jobs {
		b.jobs <- j
	}
	b.group(b.take())
	require.Empty(t, b.lead, "nobody is left")
	require.ErrorIs(t, <-jobs[2].answer, errMine)
	for _, j := range []*job{beat, late, jobs[0], jobs[1]} {
		require.NoError(t, <-j.answer)
	}
	require.Equal(t, []string{"1", "2", "beat", "lost", "beat", "1", "beat that came late", "2"}, ran)
}

// A lease must not run out because many organisations write.
func TestHeartbeatsDoNotWaitBehindOtherWrites(t *testing.T) {
	t.Parallel()
	const writers, beats = 200, 5
	s := openTest(t)
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "a"}, time.Hour))
	written := 0     // by the writer's goroutine, as all below
	var before []int // each heartbeat
	held, released := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	t.Cleanup(release)
	answers := make(chan error, 1+writers+beats)
	do := func(run func()) {
		_, err := write(t.Context(), s.writer, func(context.Context, *connection) (none struct{}, err error) {
			run()
			return none, nil
		})
		answers <- err
	}
	go do(func() {
		s.writer.jobs, s.writer.lead = make(chan *job, writers), make(chan *job, beats) // to see who waits
		s.owner.now = func() time.Time {
			before = append(before, written)
			return time.Now()
		}
		close(held)
		<-released
	})
	<-held
	for range writers {
		go do(func() { written++ })
	}
	waiting := func(jobs chan *job, n int) func() bool { return func() bool { return len(jobs) == n } }
	require.Eventually(t, waiting(s.writer.jobs, writers), time.Minute, time.Millisecond)
	for i := range beats {
		go func() {
			err := s.Heartbeat(t.Context(), store.Node{ID: "a", Beat: int64(i)}, time.Hour)
			if err != nil {
				err = fmt.Errorf("heartbeat: %w", err)
			}
			answers <- err
		}()
	}
	require.Eventually(t, waiting(s.writer.lead, beats), time.Minute, time.Millisecond)
	release()
	for range 1 + writers + beats {
		require.NoError(t, <-answers)
	}
	require.Equal(t, writers, written)
	require.NotEmpty(t, before)
	for _, n := range before {
		require.Zero(t, n, "a heartbeat came after writes that were waiting with it")
	}
}

func TestWriterTakesWhatTheLeaseHangsOnFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for range 30 { // whichever a select would choose
		beat, other := &job{leads: true}, &job{}
		b.jobs <- other
		b.lead <- beat
		require.Same(t, beat, b.take())
		require.Same(t, other, b.take())
	}
}

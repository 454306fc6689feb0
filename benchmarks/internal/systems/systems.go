// Package systems has everybody who can work through a load: outdial over each of its stores, what a user
// would take instead, and floors that keep no promise.
package systems

import (
	"context"
	"fmt"
	"time"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/load"
)

// System is a contender.
type System struct {
	Name       string
	Durability string
	Settings   string

	// Queue queues everything that the watch is to see, and begins nothing.
	Queue func(ctx context.Context, l *lab.Lab, w *load.Watch) (Job, error)
}

// Job is a queued load.
type Job interface {
	// Run works through the load and returns when each outcome is as durable as it gets.
	Run(ctx context.Context) (durable time.Time, err error)

	// Close stops what runs and deletes what was kept.
	Close() error
}

// patience is how long a load may take at most; who takes longer has failed.
const patience = 5 * time.Minute

// Time has a system work through a load and returns when all of it was durable, on the watch.
func (s System) Time(
	ctx context.Context, l *lab.Lab, work load.Load,
) (w *load.Watch, durable time.Duration, err error) {
	w = load.NewWatch(work)
	job, err := s.Queue(ctx, l, w)
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if closing := job.Close(); err == nil {
			err = closing
		}
	}()
	if err := l.Settle(ctx); err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	end, err := job.Run(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("with %d of %d calls left: %w", w.Left(), work.Total(), err)
	}
	durable, err = w.Since(end), w.Check()
	return w, durable, err
}

// await waits until the calls are over and then until done says so, which it is asked often.
func await(ctx context.Context, w *load.Watch, done func(context.Context) (bool, error)) (time.Time, error) {
	select {
	case <-w.Done():
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
	err := Until(ctx, done)
	return time.Now(), err
}

// Until asks until the answer is yes, every half a millisecond.
func Until(ctx context.Context, done func(context.Context) (bool, error)) error {
	const often = 500 * time.Microsecond
	now := time.NewTicker(often)
	defer now.Stop()
	for {
		over, err := done(ctx)
		if over || err != nil {
			return err
		}
		select {
		case <-now.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// What a power cut can take away.
const (
	NotDurable   = "none, all in memory"
	SQLiteFull   = "every commit, SQLite WAL with synchronous=FULL"
	PostgresSync = "every commit, PostgreSQL with fsync and synchronous_commit on"
	RedisDefault = "snapshots, Redis loses what came since the last one"
	RedisAlways  = "every write, Redis with appendfsync always"
)

package sqlite

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// logFrames is how long the write-ahead log gets, in pages, before it is copied into the database: 16 MB. Less
	// often costs fewer syncs, and copies a page once that was written many times.
	logFrames = 4000

	// lookInterval is the time between two looks at the log, while there are commits.
	lookInterval = 50 * time.Millisecond

	// restFrames are so few that whoever writes waits some milliseconds for them, most of it for the database's sync.
	restFrames = 200

	// maxCopies at once: each leaves what was written meanwhile, which is a part of what it copied.
	maxCopies = 4

	// failedRest is how long the log is left alone after an error.
	failedRest = time.Second
)

// checkpointer copies the log into the database beside the writer, so that no commit waits for thousands of pages. A
// log that is copied to its end is begun anew by the next write. It never is while others write all the time, so
// the writer copies the last few pages itself, between two transactions.
//
// Like that of another process, a copy syncs the log beside a commit that is under way. If that sync fails the commit
// is not acknowledged: the system tells a failed sync to each descriptor of the file, the writer's included
// (https://wiki.postgresql.org/wiki/Fsync_Errors). The writer then opens the file again, as after an error of its own.
type checkpointer struct {
	dsn      string
	log      *slog.Logger
	frames   int           // the log is left alone below
	interval time.Duration // between two looks

	looked time.Time     // by the writer's goroutine
	due    chan struct{} // there was a commit, and it is time to look
	rest   atomic.Bool   // what is left is for the writer
	failed atomic.Bool   // the disk did, and the writer is to open the file again

	stop func()
	done chan struct{}
	conn *connection // of run; nil until it is needed, and after an error
}

func newCheckpointer(path string, c Config) *checkpointer {
	k := &checkpointer{
		dsn: checkpointDSN(path), log: c.logger(), frames: logFrames, interval: lookInterval,
		due: make(chan struct{}, 1), stop: func() {}, done: make(chan struct{}),
	}
	if c.logFrames > 0 {
		k.frames, k.interval = c.logFrames, 0
	}
	return k
}

func (k *checkpointer) start() {
	ctx, cancel := context.WithCancel(context.Background())
	k.stop = cancel
	go k.run(ctx)
}

// close interrupts what is under way, which the next one does again.
func (k *checkpointer) close() {
	k.stop()
	<-k.done
}

func (k *checkpointer) run(ctx context.Context) {
	defer close(k.done)
	defer k.drop()
	for {
		select {
		case <-k.due:
		case <-ctx.Done():
			return
		}
		err := k.look(ctx)
		if err == nil || ctx.Err() != nil {
			continue
		}
		k.log.Warn("sqlite: the log could not be copied into the database", "error", err)
		if isIOError(err) {
			k.failed.Store(true) // until the writer has opened the file again
		}
		k.drop()
		select {
		case <-time.After(failedRest):
		case <-ctx.Done():
		}
	}
}

// committed is called by the writer after each commit.
func (k *checkpointer) committed() {
	if time.Since(k.looked) < k.interval {
		return
	}
	k.looked = time.Now()
	select {
	case k.due <- struct{}{}:
	default:
	}
}

// look copies the log if it is long.
func (k *checkpointer) look(ctx context.Context) (err error) {
	if k.conn == nil {
		if k.conn, err = connect(ctx, k.dsn); err != nil {
			return err
		}
	}
	l, err := k.conn.checkpoint(ctx, "NOOP")
	if err != nil || l.frames < k.frames {
		return err
	}
	for range maxCopies {
		if _, err = k.conn.checkpoint(ctx, "PASSIVE"); err != nil {
			break
		}
		// A copy tells what the log was when it began; what was written meanwhile is left, too.
		if l, err = k.conn.checkpoint(ctx, "NOOP"); err != nil || l.left() <= restFrames {
			break
		}
	}
	if err == nil && l.left() > 0 && l.left() <= restFrames {
		k.rest.Store(true)
	}
	return err
}

// drop forgets what SQLite holds in memory, which after an error need not be what is on the disk.
func (k *checkpointer) drop() {
	if k.conn == nil {
		return
	}
	if err := k.conn.Close(); err != nil {
		k.log.Warn("sqlite: closing the connection for checkpoints", "error", err)
	}
	k.conn = nil
}

// walState is how long the log is and how much of it was copied, in pages.
type walState struct{ frames, copied int }

func (s walState) left() int { return s.frames - s.copied }

// checkpoint copies of the log what no reader and no other checkpoint keeps from it, and waits for none: with
// the mode PASSIVE. With NOOP it tells the state only.
func (c *connection) checkpoint(ctx context.Context, mode string) (s walState, err error) {
	var busy int
	_, err = c.find(ctx, "PRAGMA wal_checkpoint("+mode+")", nil, []any{&busy, &s.frames, &s.copied})
	if err != nil {
		return s, fmt.Errorf("checkpoint: %w", err)
	}
	return s, nil
}

// tidy copies the end of the log if that is left to the writer. It comes after the answers of a group, so that
// only those that come next wait for it.
func (w *writer) tidy() {
	w.checkpoints.committed()
	if !w.checkpoints.rest.Swap(false) {
		return
	}
	_, err := w.conn.checkpoint(context.Background(), "PASSIVE")
	switch {
	case err == nil:
	case isIOError(err):
		w.drop(err)
	default:
		w.log.Warn("sqlite: the end of the log could not be copied into the database", "error", err)
	}
}

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"
)

// A group takes in jobs for this long; those that come later wait for the next one.
// The sync of the commit is paid for many times over by then, and who came first waits
// for the last.
const groupTime = 10 * time.Millisecond

var errPanic = errors.New("a write panicked")

// group runs the job, and those that come in meanwhile, in one transaction, so that one
// sync of the disk serves them all. Each has a savepoint: if it fails, only its part is undone. The first does
// without, as the transaction has nothing else by then.
func (w *writer) group(first *job) {
	var members []*job
	open := false // the transaction
	var begun time.Time
	for j := first; j != nil; j = w.next(begun) {
		err := j.ctx.Err()
		lost := false
		if err == nil && !open {
			if err = w.begin(); err != nil {
				j.finish(err)
				return
			}
			open, begun = true, time.Now()
		}
		if err == nil {
			lost, err = w.run(j, len(members) > 0)
			open = err == nil || len(members) > 0
		}
		switch {
		case lost:
			// Some errors (disk full, I/O) undo the whole transaction, the others' parts too.
			w.drop(err)
			j.finish(err)
			w.alone(members)
			return
		case err != nil:
			j.finish(err)
		default:
			members = append(members, j)
		}
		if j.settled != nil {
			break // what it changes in memory is seen by those behind it, once it is written
		}
	}
	if !open {
		return
	}
	err := w.commit()
	for _, j := range members {
		j.finish(err)
	}
	if err == nil {
		w.tidy()
	}
}

// next returns a job that is waiting, nil for none.
func (w *writer) next(begun time.Time) *job {
	if time.Since(begun) > groupTime {
		return nil
	}
	if j := w.leading(); j != nil {
		return j
	}
	select {
	case j := <-w.jobs:
		return j
	default:
		return nil
	}
}

// alone runs jobs again whose transaction was lost by another's fault, each by itself. That takes a sync for each, so
// what the lease hangs on does not wait for all of them.
func (w *writer) alone(jobs []*job) {
	slices.SortStableFunc(jobs, func(a, b *job) int {
		switch {
		case a.leads == b.leads:
			return 0
		case a.leads:
			return -1
		default:
			return 1
		}
	})
	for _, j := range jobs {
		for first := w.leading(); first != nil; first = w.leading() {
			w.once(first)
		}
		w.once(j)
	}
}

// once runs a job in a transaction of its own.
func (w *writer) once(j *job) {
	err := j.ctx.Err()
	if err == nil {
		err = w.begin()
	}
	if err == nil {
		var lost bool
		lost, err = w.run(j, false)
		switch {
		case lost:
			w.drop(err)
		case err == nil:
			err = w.commit()
		}
	}
	j.finish(err)
}

// run does one job inside the transaction. If it fails its part is undone, which is the whole transaction where
// it has no savepoint. lost says that the transaction is gone otherwise, or cannot be trusted any more.
func (w *writer) run(j *job, savepoint bool) (lost bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("sqlite: a write panicked", "panic", p, "stack", string(debug.Stack()))
			lost, err = true, fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	ctx := context.WithoutCancel(j.ctx)
	if savepoint {
		if err := w.conn.all(ctx, "SAVEPOINT job"); err != nil {
			return true, fmt.Errorf("savepoint: %w", err)
		}
	}
	err = j.run(ctx, w.conn)
	w.conn.forget()
	w.conn.known.learn(err == nil)
	switch {
	case err != nil && savepoint:
		return w.conn.all(ctx, "ROLLBACK TO job", "RELEASE job") != nil, err
	case err != nil:
		return w.conn.all(ctx, "ROLLBACK") != nil, err
	case savepoint:
		if err := w.conn.all(ctx, "RELEASE job"); err != nil {
			return true, fmt.Errorf("release: %w", err)
		}
	}
	return false, nil
}

// commit makes the transaction durable. After an error nobody knows whether it is.
func (w *writer) commit() error {
	if _, err := w.conn.exec(context.Background(), "COMMIT"); err != nil {
		w.drop(err)
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// drop closes the connection, which undoes what is open. The next job gets a new one: what
// SQLite holds in memory after an I/O error need not be what is on the disk.
func (w *writer) drop(cause error) {
	w.log.Warn("sqlite: a transaction was lost, the file is opened again", "error", cause)
	if err := w.conn.Close(); err != nil {
		w.log.Warn("sqlite: closing the connection", "error", err)
	}
	w.conn, w.settled = nil, false
}

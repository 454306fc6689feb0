package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/outdial/outdial/store"
)

const (
	lockPatience = 5 * time.Second

	// A process that dials at full speed lets go of the file for microseconds at a time.
	// SQLite's own waiting looks ten times a second, and another process could cancel nothing.
	lockInterval = time.Millisecond
)

var errCopy = errors.New("the disk failed while the log was copied into the database")

// begin opens the transaction, and the connection if the last one was lost. The lock
// for writing is taken at once: a transaction that has read before it asks for it can be
// refused without any waiting.
func (w *writer) begin() error {
	ctx := context.Background()
	if w.checkpoints.failed.Swap(false) && w.conn != nil {
		w.drop(errCopy)
	}
	if w.conn == nil {
		conn, err := connect(ctx, w.dsn)
		if err == nil {
			err = impatient(ctx, conn)
		}
		if err != nil {
			return fmt.Errorf("open the file again: %w", err)
		}
		w.conn = conn
	}
	err := w.lock(ctx)
	if err == nil {
		err = w.settle()
	}
	if err == nil {
		err = w.conn.recall(ctx)
	}
	if err != nil && !isBusy(err) {
		w.drop(err)
	}
	return err
}

// impatient makes a connection leave the waiting for a lock to the writer, and closes
// it if that fails.
func impatient(ctx context.Context, c *connection) error {
	if _, err := c.exec(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		return errors.Join(fmt.Errorf("set busy_timeout: %w", err), c.Close())
	}
	return nil
}

// lock waits for its turn among the processes that write.
func (w *writer) lock(ctx context.Context) error {
	_, err := w.conn.exec(ctx, "BEGIN IMMEDIATE")
	if err == nil {
		return nil
	}
	tick := time.NewTicker(lockInterval)
	defer tick.Stop()
	patience := time.NewTimer(lockPatience)
	defer patience.Stop()
	for isBusy(err) {
		select {
		case <-tick.C:
			_, err = w.conn.exec(ctx, "BEGIN IMMEDIATE")
		case <-w.stop:
			return fmt.Errorf("begin: %w", store.ErrClosed)
		case <-patience.C:
			return fmt.Errorf("begin: %w", err)
		}
	}
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return nil
}

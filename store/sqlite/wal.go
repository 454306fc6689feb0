package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	walPatience = 5 * time.Second      // as busy_timeout, which this change of mode ignores
	walInterval = 5 * time.Millisecond // between two tries
)

var errNoWAL = errors.New("the file cannot be used with a write-ahead log, which the store needs")

// enableWAL makes readers and the writer not wait for each other. The file
// keeps the mode. While another process opens the same new file it is locked for a moment.
func enableWAL(ctx context.Context, c *connection) error {
	ctx, cancel := context.WithTimeout(ctx, walPatience)
	defer cancel()
	tick := time.NewTicker(walInterval)
	defer tick.Stop()
	for {
		var mode string
		_, err := c.find(ctx, "PRAGMA journal_mode = WAL", nil, []any{&mode})
		switch {
		case err == nil && mode == "wal":
			return nil
		case err == nil:
			return fmt.Errorf("journal mode %s: %w", mode, errNoWAL)
		case !isBusy(err):
			return fmt.Errorf("set journal mode: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("set journal mode: %w", errors.Join(err, ctx.Err()))
		}
	}
}

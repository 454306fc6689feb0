package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Whoever waits for a lock has a connection of the server meanwhile, which behind a pooler may be one of few for
// all nodes. So it is waited for shortly, and again as long as the method may take: in between others have the
// connection, the heartbeats among them. As long as deadlock_timeout is by default: whatever else holds, a deadlock is
// over by then.
const (
	lockPatience = time.Second
	lockPause    = 100 * time.Millisecond
)

// lockedOut says that a transaction was undone because others hold a lock for long.
func lockedOut(err error) bool {
	const lockNotAvailable = "55P03"
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == lockNotAvailable
}

// letPass has others go first, behind a transaction that was locked out.
func letPass(ctx context.Context, why error) error {
	if err := pause(ctx, lockPause); err != nil {
		return fmt.Errorf("others hold the lock: %w: %w", err, why)
	}
	return nil
}

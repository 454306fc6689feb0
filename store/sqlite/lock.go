package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/outdial/outdial/store"
)

// lockSuffix is what the name of the lock file has behind that of the database.
const lockSuffix = "-owner"

// lockFile is the right to dial from a database, held in a file of its own. The file
// is an empty SQLite database in which a transaction for writing is open, so it is
// SQLite's own lock for a writer: it works on every platform SQLite does, between
// processes and within one, and the system frees it when the process dies,
// however it dies. Nothing is ever written to it.
type lockFile struct {
	conn *connection
}

// acquire takes the lock or says at once who cannot have it: ErrOwned, naming the file.
func acquire(ctx context.Context, path string) (*lockFile, error) {
	conn, err := connect(ctx, lockDSN(path))
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// Not BEGIN EXCLUSIVE: two that ask for that at once can both be refused.
	if err := conn.script(ctx, "BEGIN IMMEDIATE"); err != nil {
		if isBusy(err) {
			err = store.ErrOwned
		}
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), conn.Close())
	}
	return &lockFile{conn: conn}, nil
}

func (l *lockFile) release() error { return l.conn.Close() }

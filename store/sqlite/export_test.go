package sqlite

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// Weaken has the connection that writes sync less from now on: with synchronous=NORMAL a commit is not
// durable before the next checkpoint.
func (s *Store) Weaken(ctx context.Context, t *testing.T) {
	t.Helper()
	nothing := func(context.Context, *connection) error { return nil }
	require.NoError(t, s.writer.do(&job{ctx: ctx, run: nothing, settled: func(err error) {
		if err == nil { // between two transactions: inside of one it cannot be set
			err = s.writer.conn.script(ctx, "PRAGMA synchronous = NORMAL")
		}
		require.NoError(t, err)
	}}))
}

// CopyLog returns a config whose store copies the write-ahead log into the database as soon as that has so many pages.
func (c Config) CopyLog(frames int) Config {
	c.logFrames = frames
	return c
}

// LogFile is the write-ahead log as a file.
type LogFile = logFile

// WithLog returns a config whose store finds the write-ahead log where open does.
func (c Config) WithLog(open func(path string) (LogFile, error)) Config {
	c.openLog = open
	return c
}

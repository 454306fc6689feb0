package sqlite

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
)

// Config says which file to open. Path is required.
type Config struct {
	// Path is the database file. It is created if it does not exist; its directory must.
	// Beside it SQLite keeps two files with -wal and -shm appended, and this package one
	// with -owner appended. Copy, move or delete all of them together, while nothing
	// has the file open. Not on a network filesystem: its locks cannot be trusted.
	//
	// New files get the permissions of the process's umask, and hold phone numbers.
	Path string

	// Logger gets what the store had to repair, and writes that failed for everybody.
	// Nil discards.
	Logger *slog.Logger

	openLog   func(path string) (logFile, error) // of tests, whose disk is not the system's
	logFrames int                                // of tests, whose log is to be copied sooner
}

var (
	errNoPath  = errors.New("no path was given")
	errNULPath = errors.New("the path contains a NUL byte")
)

// file returns the path in full: SQLite would resolve a relative one again each time a
// connection opens, after a change of directory against another.
func (c Config) file() (string, error) {
	if c.Path == "" {
		return "", errNoPath
	}
	if strings.ContainsRune(c.Path, 0) {
		return "", errNULPath
	}
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return "", fmt.Errorf("absolute path: %w", err)
	}
	return path, nil
}

func (c Config) logger() *slog.Logger {
	if c.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Logger
}

func (c Config) log() func(path string) (logFile, error) {
	if c.openLog == nil {
		return openLog
	}
	return c.openLog
}

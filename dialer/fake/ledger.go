package fake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// ledger writes the books: into memory, a file and to an observer, as the config says. It
// is guarded by the carrier's mutex, so that the order of the entries is the
// order of what happened.
type ledger struct {
	config  Config
	pid     int
	entries []Entry
	file    *os.File
	err     error // the first failure to write; from then on nothing is placed any more
	idle    bool  // nobody wants entries: building them would only cost
}

func newLedger(config Config) (*ledger, error) {
	l := &ledger{
		config: config,
		pid:    os.Getpid(),
		idle:   !config.Books && config.BooksFile == "" && config.Observe == nil,
	}
	if config.BooksFile == "" {
		return l, nil
	}
	const ownerOnly = 0o600
	file, err := os.OpenFile(config.BooksFile, os.O_RDWR|os.O_CREATE|os.O_APPEND, ownerOnly)
	if err != nil {
		return nil, fmt.Errorf("fake: opening the books: %w", err)
	}
	if err := closeTornLine(file); err != nil {
		return nil, errors.Join(fmt.Errorf("fake: opening the books: %w", err), file.Close())
	}
	l.file = file
	return l, nil
}

// closeTornLine begins a new line after one that a killed process did not finish, which
// would otherwise spoil the next one, too.
func closeTornLine(file *os.File) error {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, size-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = file.Write([]byte{'\n'})
	return err
}

// add writes an entry, everywhere or with an error.
func (l *ledger) add(e Entry) error {
	if l.idle {
		return nil
	}
	e.Trunk, e.PID = l.config.Trunk, l.pid
	if err := l.append(e); err != nil {
		l.err = err
		return err
	}
	if l.config.Books {
		l.entries = append(l.entries, e)
	}
	if l.config.Observe != nil {
		l.config.Observe(e)
	}
	return nil
}

// append is one write in append mode: other processes' lines come before or after, never
// between (POSIX write, O_APPEND), and what was written outlives this process.
func (l *ledger) append(e Entry) error {
	if l.err != nil || l.file == nil {
		return l.err
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("fake: writing the books: %w", err)
	}
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("fake: writing the books: %w", err)
	}
	return nil
}

// close leaves a ledger that takes no entries for the file any more.
func (l *ledger) close() error {
	if l.file == nil {
		return nil
	}
	file := l.file
	l.file = nil
	if err := file.Close(); err != nil {
		return fmt.Errorf("fake: closing the books: %w", err)
	}
	return nil
}

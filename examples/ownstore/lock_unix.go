//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/outdial/outdial/store"
)

// lock keeps a second process from opening the journal: it would take the calls of this
// one for orphans. The lock ends with the process, however that ends.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return store.ErrOwned
	}
	if err != nil {
		return fmt.Errorf("locking it: %w", err)
	}
	return nil
}

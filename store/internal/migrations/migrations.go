// Package migrations reads the steps to the newest schema of a store.
package migrations

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// ErrNumbers says that there is a gap, or a file that has no number.
var ErrNumbers = errors.New("migrations are not numbered from 1 without a gap")

// Step is one migration.
type Step struct {
	Name string // of its file, such as 0001_tables.sql
	SQL  string
}

// Load returns those of the folder migrations in their order: number n is at n-1. The error wraps ErrNumbers.
func Load(dir fs.FS) ([]Step, error) {
	names, err := fs.Glob(dir, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	steps := make([]Step, len(names))
	for i, name := range names { // sorted by name
		number, _, _ := strings.Cut(path.Base(name), "_")
		if n, err := strconv.Atoi(number); err != nil || n != i+1 {
			return nil, fmt.Errorf("%s: %w", name, ErrNumbers)
		}
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		steps[i] = Step{Name: path.Base(name), SQL: string(text)}
	}
	return steps, nil
}

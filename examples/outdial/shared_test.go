package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store/postgres/pgtest"
)

// suite is the tests and, behind them, the end of what they share.
type suite struct{ *testing.M }

func (s suite) Run() int {
	code := s.M.Run()
	if err := shared.end(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// shared is what each test needs one of and none changes, made when the first asks for it: the program, and a PostgreSQL
// server on which each test has a database of its own.
var shared common

type common struct {
	building sync.Once
	folder   string // of the program
	buildErr error

	starting sync.Once
	server   *pgtest.Server
	startErr error

	mu        sync.Mutex
	databases int
}

func (c *common) end() error {
	var err error
	if c.server != nil {
		err = c.server.Stop()
	}
	return errors.Join(err, os.RemoveAll(c.folder))
}

// program is the path of outdial, built from these sources.
func program(t *testing.T) string {
	t.Helper()
	shared.building.Do(func() { shared.buildErr = shared.build() })
	require.NoError(t, shared.buildErr)
	return shared.program()
}

func (c *common) program() string { return filepath.Join(c.folder, "outdial.exe") }

func (c *common) build() error {
	var err error
	if c.folder, err = os.MkdirTemp("", "outdial"); err != nil {
		return err
	}
	if said, err := exec.Command("go", "build", "-o", c.program(), ".").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

// newPostgres returns the URL of an empty database that the test has for itself.
func newPostgres(t *testing.T) string {
	t.Helper()
	shared.starting.Do(func() { shared.server, shared.startErr = pgtest.Start(context.Background(), pgtest.Options{}) })
	needPostgres(t, shared.startErr)
	shared.mu.Lock()
	shared.databases++
	name := fmt.Sprintf("calls_%d", shared.databases)
	shared.mu.Unlock()
	address, err := shared.server.Create(t.Context(), name)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, shared.server.Drop(context.Background(), name)) })
	return address
}

// needPostgres skips a test for want of PostgreSQL, unless everything is wanted.
func needPostgres(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, pgtest.ErrMissing) && os.Getenv("OUTDIAL_REQUIRE") != "all" {
		t.Skip(err)
	}
	require.NoError(t, err)
}

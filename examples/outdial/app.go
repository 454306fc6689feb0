package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/batch/config"
	_ "github.com/outdial/outdial/dialer/fake" // the carrier kind fake://
	"github.com/outdial/outdial/store/sqlite"
)

//go:embed default.yaml
var defaultConfig []byte

// app is what every command works with.
type app struct {
	env

	cli *cli
}

// say tells the person at the terminal something. A program that reads JSON is not told.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stderr, format+"\n", args...)
}

// print writes a result.
func (a *app) print(format string, args ...any) {
	fmt.Fprintf(a.stdout, format, args...)
}

func (a *app) loadConfig() (*config.Config, error) {
	var c *config.Config
	var err error
	if a.cli.Config == "" {
		c, err = config.Parse("the built-in configuration", defaultConfig)
	} else {
		c, err = config.Load(a.cli.Config)
	}
	if err != nil {
		return nil, usage(err)
	}
	return c, nil
}

// organisation is the one that --org names, or the only one.
func (a *app) organisation(c *config.Config) (string, error) {
	return choose("organisation", "--org", a.cli.Org, c.Organisations())
}

// choose finds what the user means: what is named, if it exists, or else the only one.
func choose(what, flag, named string, all []string) (string, error) {
	if named != "" {
		for _, id := range all {
			if id == named {
				return id, nil
			}
		}
		return "", usagef("the configuration has no %s %q; %s", what, named, choices(what, all))
	}
	switch len(all) {
	case 0:
		return "", usagef("the configuration has no %s", what)
	case 1:
		return all[0], nil
	}
	return "", usagef("which %s? Say it with %s; %s", what, flag, choices(what, all))
}

func choices(what string, all []string) string {
	switch len(all) {
	case 0:
		return "there is none"
	case 1:
		return "the only one is " + all[0]
	}
	return "there are the " + what + "s " + strings.Join(all, ", ")
}

// session is an open database, and an engine over it.
type session struct {
	org    string
	config *config.Config
	store  *sqlite.Store
	engine *batch.Engine
	logger *slog.Logger
}

// openExisting is for commands that have nothing to do in an empty database.
func (a *app) openExisting(ctx context.Context) (*session, error) {
	if _, err := os.Stat(a.cli.DB); errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("there is no database %s: outdial run makes it, and --db names another", a.cli.DB)
	}
	c, err := a.loadConfig()
	if err != nil {
		return nil, err
	}
	org, err := a.organisation(c)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return a.open(ctx, c, org)
}

// open takes c over: the session closes it.
func (a *app) open(ctx context.Context, c *config.Config, org string) (*session, error) {
	logger := slog.New(slog.DiscardHandler)
	if a.cli.Verbose {
		logger = slog.New(slog.NewTextHandler(a.stderr, nil))
	}
	st, err := sqlite.Open(ctx, sqlite.Config{Path: a.cli.DB, Logger: logger})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the database cannot be used: %w", err), c.Close())
	}
	s := &session{org: org, config: c, store: st, logger: logger}
	if s.engine, err = s.newEngine(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// newEngine makes one of which Run has not been called, since that is possible only once.
func (s *session) newEngine() (*batch.Engine, error) {
	e, err := batch.New(batch.Config{
		Store: s.store, Directory: s.config, Dialers: s.config.Dialers(), Logger: s.logger,
		DrainTimeout: drainTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the engine: %w", err)
	}
	return e, nil
}

func (s *session) close() error { return errors.Join(s.store.Close(), s.config.Close()) }

// with opens the database for one command and closes it behind it.
func (a *app) with(ctx context.Context, do func(*session) error) (err error) {
	s, err := a.openExisting(ctx)
	if err != nil {
		return err
	}
	defer func() { err = first(err, s.close()) }()
	return do(s)
}

// first keeps the error that came first, which decides what is told and the exit code.
func first(err, later error) error {
	if err != nil {
		return err
	}
	return later
}

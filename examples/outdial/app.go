package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/outdial/outdial/batch/config"
	_ "github.com/outdial/outdial/dialer/fake" // the carrier kind fake://
	_ "github.com/outdial/outdial/dialer/sip"  // sip:// and sips://
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

// session is what a command works on: a database, or a server.
type session struct {
	backend

	local *local // nil: it is a server
}

// openExisting is for commands that have nothing to do in an empty database.
func (a *app) openExisting(ctx context.Context) (*session, error) {
	if a.cli.Server != "" {
		return a.openServer()
	}
	if _, err := os.Stat(a.database()); errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("there is no database %s: outdial run makes it, and --db names another", a.database())
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
	l, err := openLocal(ctx, a.database(), c, logger, drainTimeout)
	if err != nil {
		return nil, err
	}
	l.org = org
	return &session{backend: l, local: l}, nil
}

const defaultDatabase = "outdial.db"

// database is the file that --db names.
func (a *app) database() string { return cmp.Or(a.cli.DB, defaultDatabase) }

// with opens what one command works on and closes it behind it.
func (a *app) with(ctx context.Context, do func(*session) error) (err error) {
	s, err := a.openExisting(ctx)
	if err != nil {
		return err
	}
	defer func() { err = first(err, s.Close()) }()
	return do(s)
}

// first keeps the error that came first, which decides what is told and the exit code.
func first(err, later error) error {
	if err != nil {
		return err
	}
	return later
}

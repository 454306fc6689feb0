package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/outdial/outdial/batch/config"
	"github.com/outdial/outdial/dialer"
	_ "github.com/outdial/outdial/dialer/fake"   // the carrier kind fake://
	_ "github.com/outdial/outdial/dialer/sip"    // sip:// and sips://
	_ "github.com/outdial/outdial/dialer/twilio" // twilio://
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

// servedConfig is what serve needs of a configuration.
type servedConfig interface {
	source

	Config() *config.Config              // as it is now
	Carrier(name string) []dialer.Dialer // what a name stands for, and then what it stood for before
	Leaving() []dialer.Dialer            // what was replaced or taken away and is not closed yet
}

// openConfig opens a configuration for as long as the process lives: one with a file can be read again.
func (a *app) openConfig() (servedConfig, error) {
	if a.cli.Config == "" {
		c, err := a.loadConfig()
		if err != nil {
			return nil, err
		}
		return builtIn{c, c}, nil
	}
	l, err := config.Open(a.cli.Config)
	if err != nil {
		return nil, usage(err)
	}
	return l, nil
}

// builtIn is the configuration without a file.
type builtIn struct {
	source

	config *config.Config
}

func (b builtIn) Config() *config.Config { return b.config }

func (b builtIn) Leaving() []dialer.Dialer { return nil }

func (b builtIn) Carrier(name string) []dialer.Dialer { return []dialer.Dialer{b.Dialers()[name]} }

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
	d, err := a.database()
	if err != nil {
		return nil, err
	}
	if err := d.exists(); err != nil {
		return nil, err
	}
	c, err := a.loadConfig()
	if err != nil {
		return nil, err
	}
	org, err := a.organisation(c)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return a.open(ctx, d.asItIs(), c, org)
}

// logger is for commands whose log is only wanted with --verbose.
func (a *app) logger() *slog.Logger {
	if a.cli.Verbose {
		return slog.New(slog.NewTextHandler(a.stderr, nil))
	}
	return slog.New(slog.DiscardHandler)
}

// open takes c over: the session closes it.
func (a *app) open(ctx context.Context, d database, c *config.Config, org string) (*session, error) {
	l, err := openLocal(ctx, d, c, a.logger(), times{drain: drainTimeout})
	if err != nil {
		return nil, err
	}
	l.org = org
	return &session{backend: l, local: l}, nil
}

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

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
	"github.com/outdial/outdial/store/sqlite"
)

const defaultDatabase = "outdial.db"

// closingStore is a store that this process has opened.
type closingStore interface {
	store.Store
	io.Closer
}

// database is where batches and calls are kept: in a file, or in PostgreSQL.
type database struct {
	path string   // of the file
	url  *url.URL // of PostgreSQL; nil: it is a file

	leave bool // its tables are left as they are: a command that only looks makes and changes none
}

// database is the one that --db or --store names.
func (a *app) database() (database, error) {
	if a.cli.Store == "" {
		return database{path: cmp.Or(a.cli.DB, defaultDatabase)}, nil
	}
	if a.cli.DB != "" {
		return database{}, usagef("--db names a file, and --store (or OUTDIAL_STORE) names a PostgreSQL database: " +
			"leave one of them out")
	}
	u, err := url.Parse(a.cli.Store)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Opaque != "" {
		// Not err, which repeats the URL.
		return database{}, usagef("--store: expected a URL such as " +
			"postgres://user:password@host:5432/database?sslmode=verify-full; " +
			"special characters of a password are to be written as %%XX")
	}
	return database{url: u}, nil
}

// keyFile is where serve keeps the key of the built-in configuration.
func (a *app) keyFile() string { return cmp.Or(a.cli.DB, defaultDatabase) + keySuffix }

// String names the database without its password.
func (d database) String() string {
	if d.url == nil {
		return d.path
	}
	u := url.URL{Scheme: d.url.Scheme, Host: d.url.Host, Path: d.url.Path}
	if name := d.url.User.Username(); name != "" {
		u.User = url.User(name)
	}
	return u.String()
}

// exists returns an error where there is no file.
func (d database) exists() error {
	if d.url != nil {
		return nil
	}
	if _, err := os.Stat(d.path); errors.Is(err, fs.ErrNotExist) {
		return usagef("there is no database %s: outdial run makes it, and --db names another", d.path)
	}
	return nil
}

// asItIs has PostgreSQL's tables neither made nor changed.
func (d database) asItIs() database {
	d.leave = true
	return d
}

func (d database) open(ctx context.Context, logger *slog.Logger) (*nodeStore, error) {
	if d.url == nil {
		s, err := sqlite.Open(ctx, sqlite.Config{Path: d.path, Logger: logger})
		if err != nil {
			return nil, fmt.Errorf("the database cannot be used: %w", err)
		}
		return &nodeStore{closingStore: s}, nil
	}
	s, err := postgres.Open(ctx, postgres.Config{URL: d.url.String(), NoMigrate: d.leave, Logger: logger})
	if err != nil {
		return nil, d.refused(err)
	}
	return &nodeStore{closingStore: s}, nil
}

// refused says why PostgreSQL cannot be used.
func (d database) refused(err error) error {
	err = &discreet{err: err, secrets: secretsOf(d.url)}
	switch {
	case errors.Is(err, store.ErrNewerSchema):
		return usagef("the database %v is of a newer outdial, which it takes to use it: %w", d, err)
	case d.leave && errors.Is(err, store.ErrOlderSchema):
		return usagef("the database %v has not the tables of this version; outdial run and outdial serve make them: %w",
			d, err)
	}
	return fmt.Errorf("the database %v cannot be used: %w", d, err)
}

// discreet is an error whose text has no secrets, whoever made it.
type discreet struct {
	err     error
	secrets []string
}

func (e *discreet) Error() string {
	text := e.err.Error()
	for _, secret := range e.secrets {
		text = strings.ReplaceAll(text, secret, "xxxxx")
	}
	return text
}

func (e *discreet) Unwrap() error { return e.err }

// secretsOf are the passwords in a URL, as they are and as they are written there.
func secretsOf(u *url.URL) []string {
	var all []string
	add := func(secret string) {
		if secret != "" {
			all = append(all, secret, url.QueryEscape(secret), url.PathEscape(secret))
		}
	}
	password, _ := u.User.Password()
	add(password)
	if _, raw, ok := strings.Cut(u.User.String(), ":"); ok {
		add(raw)
	}
	for _, name := range []string{"password", "sslpassword"} {
		for _, secret := range u.Query()[name] {
			add(secret)
		}
	}
	return all
}

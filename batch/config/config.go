package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
)

var _ batch.Directory = (*Config)(nil)

// MaxSize is the most bytes a file may have.
const MaxSize = 1 << 20

// Config is what a file says. It never changes, so it is safe for concurrent use.
type Config struct {
	organisations map[string]batch.Organisation
	agents        map[string]agent
	numbers       map[string]number
	dialers       map[string]dialer.Dialer
	kinds         map[string]string   // of the carriers: their URL schemes
	keys          map[[32]byte]string // organisations by the SHA-256 of their API keys
}

type agent struct {
	dialer.Agent

	org string
}

type number struct {
	batch.Number

	org string
}

// Load reads the file at path as [Parse] does. An error that is no *[InvalidError] says
// that the file could not be read.
func Load(path string) (*Config, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's own file is what it is for
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxSize+1)) // one more, so that Parse sees it is too large
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return Parse(path, text)
}

// Parse reads the text of a file, which errors call name, and opens its carriers. The error
// is an *[InvalidError] that lists every mistake; no carrier is open then.
func Parse(name string, text []byte) (*Config, error) {
	return parse(name, text, os.LookupEnv)
}

func parse(name string, text []byte, lookup func(string) (string, bool)) (*Config, error) {
	r := &reader{lookup: lookup}
	c := r.config(text)
	if len(r.mistakes) > 0 {
		c.Close() //nolint:gosec // the mistakes are what is to be told
		return nil, invalid(name, text, r.mistakes, r.secret)
	}
	return c, nil
}

// Dialers returns the carriers by name, for batch.Config. They stay open until Close.
func (c *Config) Dialers() map[string]dialer.Dialer { return maps.Clone(c.dialers) }

// Kinds returns the URL scheme of each carrier by its name: sips, say, or fake.
func (c *Config) Kinds() map[string]string { return maps.Clone(c.kinds) }

// APIKeys returns the organisation that each API key belongs to, by the key's SHA-256. The file has
// no keys, only their hashes, so whoever reads it cannot use them.
func (c *Config) APIKeys() map[[32]byte]string { return maps.Clone(c.keys) }

// Close closes the dialers that can be closed. Call it once, when no engine uses them.
func (c *Config) Close() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.dialers)) {
		closer, ok := c.dialers[name].(io.Closer)
		if !ok {
			continue
		}
		if err := closer.Close(); err != nil {
			errs = append(errs, fmt.Errorf("config: closing carrier %q: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// Organisation implements batch.Directory.
func (c *Config) Organisation(_ context.Context, org string) (batch.Organisation, error) {
	o, ok := c.organisations[org]
	if !ok {
		return o, fmt.Errorf("config: organisation %q: %w", org, batch.ErrNotFound)
	}
	return o, nil
}

// Agent implements batch.Directory. Another organisation's agent is not found.
func (c *Config) Agent(_ context.Context, org, id string) (dialer.Agent, error) {
	a, ok := c.agents[id]
	if !ok || a.org != org {
		return dialer.Agent{}, fmt.Errorf("config: agent %q of organisation %q: %w", id, org, batch.ErrNotFound)
	}
	return a.Agent, nil
}

// Number implements batch.Directory. Another organisation's number is not found.
func (c *Config) Number(_ context.Context, org, id string) (batch.Number, error) {
	n, ok := c.numbers[id]
	if !ok || n.org != org {
		return batch.Number{}, fmt.Errorf("config: number %q of organisation %q: %w", id, org, batch.ErrNotFound)
	}
	n.Carriers = slices.Clone(n.Carriers)
	return n.Number, nil
}

// Organisations returns the ids of all organisations, sorted.
func (c *Config) Organisations() []string { return slices.Sorted(maps.Keys(c.organisations)) }

// Agents returns the ids of an organisation's agents, sorted.
func (c *Config) Agents(org string) []string {
	return idsOf(c.agents, func(a agent) bool { return a.org == org })
}

// Numbers returns the ids of an organisation's numbers, sorted.
func (c *Config) Numbers(org string) []string {
	return idsOf(c.numbers, func(n number) bool { return n.org == org })
}

func idsOf[T any](all map[string]T, want func(T) bool) []string {
	var ids []string
	for id, v := range all {
		if want(v) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/guard"
)

var _ batch.Directory = (*Config)(nil)

// MaxSize is the most bytes a file may have.
const MaxSize = 1 << 20

// Config is what a file says. It never changes, so it is safe for concurrent use.
type Config struct {
	organisations map[string]batch.Organisation
	agents        map[string]agent
	numbers       map[string]number
	carriers      map[string]carrier
	keys          map[[32]byte]string // organisations by the SHA-256 of their API keys
	ledger        *guard.Ledger       // of all carriers, and of those of the file as it was before
}

type agent struct {
	dialer.Agent

	org string
}

type number struct {
	batch.Number

	org string
}

// carrier is an open one, with what it was made from.
type carrier struct {
	dialer.Dialer

	spec  carrierSpec
	rules *guard.Rules // nil: it has no guard
	leave func()       // tells the ledger that nothing is placed over it any more; nil: nobody needs to know
}

// retire tells those that have to know that nothing is placed over the carrier any more. It may be called again.
func (c carrier) retire() {
	if c.leave != nil {
		c.leave()
	}
}

// carrierSpec is all that the file says of a carrier, after the environment was looked up. Two carriers of
// one spec are the same.
type carrierSpec struct {
	url   string
	guard string // the rules, written out; empty: none
}

// kind is the URL's scheme, as it was understood.
func (s carrierSpec) kind() string {
	scheme, _, _ := strings.Cut(s.url, ":")
	return strings.ToLower(scheme)
}

// Load reads the file at path as [Parse] does. An error that is no *[InvalidError] says
// that the file could not be read.
func Load(path string) (*Config, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's own file is what it is for
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxSize+1)) // one more, so that Parse sees it is too large
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return text, nil
}

// Parse reads the text of a file, which errors call name, and opens its carriers. The error
// is an *[InvalidError] that lists every mistake; no carrier is open then.
func Parse(name string, text []byte) (*Config, error) {
	return parse(name, text, os.LookupEnv)
}

func parse(name string, text []byte, lookup func(string) (string, bool)) (*Config, error) {
	return parseKeeping(name, text, lookup, nil)
}

// parseKeeping takes over from before each carrier of which the text says the same as then. After an
// error only the others are closed.
func parseKeeping(name string, text []byte, lookup func(string) (string, bool), before *Config) (*Config, error) {
	r := &reader{lookup: lookup, ledger: &guard.Ledger{}}
	if before != nil {
		r.before, r.ledger = before.carriers, before.ledger
	}
	c := r.config(text)
	c.ledger = r.ledger
	if len(r.mistakes) > 0 {
		closeAll(c.notIn(before)) //nolint:errcheck,gosec // the mistakes are what is to be told
		return nil, invalid(name, text, r.mistakes, r.secret)
	}
	return c, nil
}

// notIn returns the carriers that other does not have under the same name. other may be nil.
func (c *Config) notIn(other *Config) map[string]carrier {
	rest := map[string]carrier{}
	for name, own := range c.carriers {
		if other == nil || other.carriers[name].Dialer != own.Dialer {
			rest[name] = own
		}
	}
	return rest
}

// Dialers returns the carriers by name, for batch.Config. They stay open until Close.
func (c *Config) Dialers() map[string]dialer.Dialer {
	dialers := make(map[string]dialer.Dialer, len(c.carriers))
	for name, own := range c.carriers {
		dialers[name] = own.Dialer
	}
	return dialers
}

// Kinds returns the URL scheme of each carrier by its name: sips, say, or fake.
func (c *Config) Kinds() map[string]string {
	kinds := make(map[string]string, len(c.carriers))
	for name, own := range c.carriers {
		kinds[name] = own.spec.kind()
	}
	return kinds
}

// Guard returns the rules of the guard before a carrier; false: it has none.
func (c *Config) Guard(carrier string) (guard.Rules, bool) {
	rules := c.carriers[carrier].rules
	if rules == nil {
		return guard.Rules{}, false
	}
	return *rules, true
}

// APIKeys returns the organisation that each API key belongs to, by the key's SHA-256. The file has
// no keys, only their hashes, so whoever reads it cannot use them.
func (c *Config) APIKeys() map[[32]byte]string { return maps.Clone(c.keys) }

// Close closes the dialers that can be closed. Call it once, when no engine uses them.
func (c *Config) Close() error { return closeAll(c.carriers) }

func closeAll(carriers map[string]carrier) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(carriers)) {
		carriers[name].retire()
		closer, ok := carriers[name].Dialer.(io.Closer)
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
	n.Carriers, n.Weights = slices.Clone(n.Carriers), slices.Clone(n.Weights)
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

package config

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// config reads the whole file. What it returns is only good if there is no mistake.
func (r *reader) config(text []byte) *Config {
	c := &Config{
		organisations: map[string]batch.Organisation{},
		agents:        map[string]agent{},
		numbers:       map[string]number{},
		carriers:      map[string]carrier{},
		keys:          map[[32]byte]string{},
	}
	root := r.root(text)
	if root == nil {
		return c
	}
	file := r.object(entry{node: root}, "organisations", "agents", "guard", "carriers", "numbers")
	// In this order whatever the file's: numbers refer to carriers, and all to organisations.
	keys := apiKeys{orgs: c.keys, lines: map[[32]byte]int{}}
	names := section(r, file, "organisations", c.organisations, func(e entry) batch.Organisation {
		return r.organisation(e, keys)
	})
	if len(names) == 0 && len(r.mistakes) == 0 {
		r.bad(file.fields["organisations"].key, "organisations", "expected at least one organisation")
	}
	section(r, file, "agents", c.agents, func(e entry) agent { return r.agent(e, names) })
	guards := r.fileGuard(file)
	carriers := section(r, file, "carriers", c.carriers, func(e entry) carrier { return r.carrier(e, guards) })
	maps.DeleteFunc(c.carriers, func(_ string, c carrier) bool { return c.Dialer == nil })
	refs := references{organisations: names, carriers: carriers, open: c.carriers}
	section(r, file, "numbers", c.numbers, func(e entry) number { return r.number(e, refs) })
	return c
}

// section reads the entries of one section into all, and returns their names in the file's
// order: those that are wrong too, so that what refers to them is not wrong as well.
func section[T any](r *reader, file object, name string, all map[string]T, read func(entry) T) []string {
	s, ok := file.fields[name]
	if _, null := s.node.(*ast.NullNode); !ok || null {
		return nil
	}
	var names []string
	for _, e := range r.mapping(s.node, name) {
		if len(e.name) > store.MaxKey {
			r.bad(e.key, name, "a name has more than %d bytes", store.MaxKey)
		}
		names = append(names, e.name)
		all[e.name] = read(e)
	}
	return names
}

func (r *reader) organisation(e entry, keys apiKeys) batch.Organisation {
	o := r.object(e, "concurrency_limit", "region", "usage_exceeded", "api_keys")
	o.required("concurrency_limit", "the most calls in flight at once")
	if f, ok := o.fields["api_keys"]; ok {
		r.apiKeys(f, e.name, keys)
	}
	return batch.Organisation{
		ConcurrencyLimit: o.count("concurrency_limit", 0),
		Region:           o.region("region"),
		UsageExceeded:    o.flag("usage_exceeded"),
	}
}

func (r *reader) agent(e entry, organisations []string) agent {
	o := r.object(e, "organisation", "url")
	a := agent{org: o.owner(organisations), Agent: dialer.Agent{ID: e.name}}
	if v, ok := o.textOf("url", urlEncoder); ok {
		a.URL = v.text
		// What net/url would say quotes the URL, which may hold a secret.
		u, err := url.Parse(v.text)
		if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "" {
			r.badValue(v, "expected a WebSocket URL, such as wss://agents.example/greeter")
		}
	}
	return a
}

// owner returns the organisation that an agent or a number belongs to.
func (o object) owner(organisations []string) string {
	v, ok := o.text("organisation")
	if ok && len(organisations) > 0 && !slices.Contains(organisations, v.text) {
		o.r.badValue(v, fmt.Sprintf("no organisation is called %q: expected %s", hideURL(v.text), oneOf(organisations)))
	}
	if _, given := o.fields["organisation"]; given || len(organisations) == 0 {
		return v.text
	}
	if len(organisations) > 1 {
		o.required("organisation", "the file has several, expected "+oneOf(organisations))
	}
	return organisations[0]
}

func oneOf(names []string) string {
	const shown = 10
	names = slices.Sorted(slices.Values(names))
	if len(names) > shown {
		names = append(names[:shown:shown], "…")
	}
	return "one of " + strings.Join(names, ", ")
}

package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Changes are what is different in a file that was read again.
type Changes struct {
	Organisations, Agents, Carriers, Numbers Difference

	KeysAdded, KeysRemoved int // API keys; one that belongs to another organisation now is both
}

// Difference lists names, sorted.
type Difference struct {
	Added, Replaced, Removed []string
}

// IsZero says whether nothing has changed.
func (c Changes) IsZero() bool { return reflect.ValueOf(c).IsZero() }

// String lists what has changed in one line, for a log. It has no secrets.
func (c Changes) String() string {
	var parts []string
	for _, section := range []struct {
		name string
		all  Difference
	}{
		{"organisation", c.Organisations}, {"agent", c.Agents}, {"carrier", c.Carriers}, {"number", c.Numbers},
	} {
		parts = append(parts, section.all.in(section.name)...)
	}
	if c.KeysAdded > 0 {
		parts = append(parts, fmt.Sprintf("API keys added: %d", c.KeysAdded))
	}
	if c.KeysRemoved > 0 {
		parts = append(parts, fmt.Sprintf("API keys removed: %d", c.KeysRemoved))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}

func (d Difference) in(section string) []string {
	var parts []string
	for _, kind := range []struct {
		what  string
		names []string
	}{{"added", d.Added}, {"replaced", d.Replaced}, {"removed", d.Removed}} {
		if len(kind.names) > 0 {
			parts = append(parts, fmt.Sprintf("%ss %s: %s", section, kind.what, strings.Join(kind.names, ", ")))
		}
	}
	return parts
}

func changes(before, now *Config) Changes {
	c := Changes{
		Organisations: difference(before.organisations, now.organisations),
		Agents:        difference(before.agents, now.agents),
		Numbers:       difference(before.numbers, now.numbers),
		Carriers:      difference(specs(before), specs(now)),
	}
	for key, org := range now.keys {
		if before.keys[key] != org {
			c.KeysAdded++
		}
	}
	for key, org := range before.keys {
		if now.keys[key] != org {
			c.KeysRemoved++
		}
	}
	return c
}

func specs(c *Config) map[string]carrierSpec {
	all := map[string]carrierSpec{}
	for name, own := range c.carriers {
		all[name] = own.spec
	}
	return all
}

func difference[T any](before, now map[string]T) Difference {
	var d Difference
	for _, name := range slices.Sorted(maps.Keys(now)) {
		old, was := before[name]
		switch {
		case !was:
			d.Added = append(d.Added, name)
		case !reflect.DeepEqual(old, now[name]):
			d.Replaced = append(d.Replaced, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, is := now[name]; !is {
			d.Removed = append(d.Removed, name)
		}
	}
	return d
}

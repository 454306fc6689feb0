package dialer

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Params reads the parameters of a carrier's URL. Each method takes a parameter's name
// and returns its value, or the fallback where the URL does not have it; the first
// error is kept for [Params.Err], which also refuses the parameters that nobody asked for.
type Params struct {
	values url.Values
	known  []string
	err    error
}

// ParseParams starts reading the parameters of u.
func ParseParams(u *url.URL) *Params {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		err = fmt.Errorf("the URL's parameters cannot be read: %w", hideSecret(err))
	}
	return &Params{values: values, err: err}
}

// String returns a text.
func (p *Params) String(name, fallback string) string {
	if s, ok := p.take(name); ok {
		return s
	}
	return fallback
}

// Float returns a number of at least 0 and at most most.
func (p *Params) Float(name string, fallback, most float64) float64 {
	s, ok := p.take(name)
	if !ok {
		return fallback
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > most {
		p.failf("parameter %s=%q: expected a number from 0 to %g", name, s, most)
		return fallback
	}
	return f
}

// Int returns a whole number of at least 0.
func (p *Params) Int(name string, fallback int) int {
	s, ok := p.take(name)
	if !ok {
		return fallback
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > math.MaxInt32 {
		p.failf("parameter %s=%q: expected a whole number of at least 0", name, s)
		return fallback
	}
	return n
}

// Uint64 returns a whole number of at least 0, of any size, such as a seed.
func (p *Params) Uint64(name string, fallback uint64) uint64 {
	s, ok := p.take(name)
	if !ok {
		return fallback
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		p.failf("parameter %s=%q: expected a whole number of at least 0", name, s)
		return fallback
	}
	return n
}

// Bool returns true or false.
func (p *Params) Bool(name string, fallback bool) bool {
	s, ok := p.take(name)
	if !ok {
		return fallback
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		p.failf("parameter %s=%q: expected true or false", name, s)
		return fallback
	}
	return b
}

// Duration returns a time of at least 0, written as Go writes it: 45s, 1m30s.
func (p *Params) Duration(name string, fallback time.Duration) time.Duration {
	s, ok := p.take(name)
	if !ok {
		return fallback
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		p.failf("parameter %s=%q: expected a time such as 45s or 1m30s", name, s)
		return fallback
	}
	return d
}

// Limits returns the parameters that every carrier has: channels, cps and burst.
func (p *Params) Limits() Limits {
	const mostCPS = 100_000
	return Limits{
		Channels: p.Int("channels", 0),
		CPS:      p.Float("cps", 0, mostCPS),
		Burst:    p.Int("burst", 0),
	}
}

// Err returns the first error, or one that names the parameters nobody asked for.
func (p *Params) Err() error {
	if p.err != nil || len(p.values) == 0 {
		return p.err
	}
	return fmt.Errorf("unknown parameter %s: expected any of %s",
		strings.Join(shownNames(p.values), ", "), strings.Join(p.known, ", "))
}

// shownNames are the names of parameters that look like some. Others may be the
// rest of a secret that had a question mark in it.
func shownNames(values url.Values) []string {
	shown := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
			name = "(not shown)"
		}
		shown = append(shown, name)
	}
	return slices.Compact(shown)
}

func (p *Params) take(name string) (string, bool) {
	p.known = append(p.known, name)
	vs, ok := p.values[name]
	if !ok {
		return "", false
	}
	delete(p.values, name)
	if len(vs) > 1 {
		p.failf("parameter %s is given %d times", name, len(vs))
	}
	return vs[0], true
}

func (p *Params) failf(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

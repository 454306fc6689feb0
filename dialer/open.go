package dialer

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// OpenFunc makes a dialer from a URL whose scheme it was registered for. It must
// refuse a parameter that it does not know, as [Params] does, and must not put the URL
// into an error, since it may hold a secret.
type OpenFunc func(u *url.URL) (Dialer, error)

// URLMux finds the OpenFunc for a URL by its scheme. The zero value is ready for use
// and empty. It is safe for concurrent use.
type URLMux struct {
	mu      sync.RWMutex
	openers map[string]OpenFunc
}

// Handle registers open for a scheme. It panics if the scheme has one already, or is
// none by RFC 3986, section 3.1: either is a mistake in the program.
func (m *URLMux) Handle(scheme string, open OpenFunc) {
	if u, err := url.Parse(scheme + ":"); err != nil || u.Scheme != scheme || open == nil {
		panic(fmt.Sprintf("dialer: %q cannot be registered as a URL scheme", scheme))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.openers[scheme]; ok {
		panic(fmt.Sprintf("dialer: the URL scheme %q is registered twice", scheme))
	}
	if m.openers == nil {
		m.openers = map[string]OpenFunc{}
	}
	m.openers[scheme] = open
}

// Open makes the dialer that the URL names. The error never repeats the URL, which
// may hold a secret.
func (m *URLMux) Open(rawURL string) (Dialer, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	open, err := m.opener(u.Scheme)
	if err != nil {
		return nil, err
	}
	d, err := open(u)
	if err != nil {
		return nil, fmt.Errorf("dialer: opening a %s carrier: %w", u.Scheme, err)
	}
	return d, nil
}

func (m *URLMux) opener(scheme string) (OpenFunc, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if open := m.openers[scheme]; open != nil {
		return open, nil
	}
	known := "none, since no carrier package is imported"
	if len(m.openers) > 0 {
		known = strings.Join(slices.Sorted(maps.Keys(m.openers)), ", ") + "; is its package imported?"
	}
	return nil, fmt.Errorf("dialer: no carrier kind has the URL scheme %q: expected one of %s", scheme, known)
}

func parseURL(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // what is wrong with it, without the URL
		}
		return nil, fmt.Errorf("dialer: the carrier's URL cannot be read: %w", hideSecret(err))
	}
	if strings.Contains(rawURL, "#") {
		// No carrier has fragments, but secrets have such characters, and what follows one
		// would be ignored in silence.
		return nil, errors.New("dialer: the carrier's URL has a #: in a secret, write it as %23")
	}
	return u, nil
}

// Some errors of net/url quote a piece of the URL, such as a bad port or escape.
func hideSecret(err error) error {
	if before, _, ok := strings.Cut(err.Error(), `"`); ok {
		return errors.New(strings.TrimSpace(before) + " (not shown)")
	}
	return err
}

//nolint:gochecknoglobals // the one table that carrier packages register themselves in
var defaultMux URLMux

// Register adds a carrier kind to those that [Open] knows. Carrier packages call it
// from init. It panics like [URLMux.Handle].
func Register(scheme string, open OpenFunc) { defaultMux.Handle(scheme, open) }

// Open makes the dialer that the URL names, of the carrier kinds whose packages the
// program imports.
func Open(rawURL string) (Dialer, error) { return defaultMux.Open(rawURL) }

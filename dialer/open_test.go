package dialer_test

import (
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// nobody is a dialer of a kind that only has to be told apart.
type nobody struct {
	dialer.Dialer

	url *url.URL
}

func openNobody(u *url.URL) (dialer.Dialer, error) { return nobody{url: u}, nil }

func TestURLMuxOpensByScheme(t *testing.T) {
	t.Parallel()
	var mux dialer.URLMux
	mux.Handle("one", openNobody)
	mux.Handle("two", func(*url.URL) (dialer.Dialer, error) { return nil, errors.New("out of order") })

	d, err := mux.Open("one://user:secret@host:5060/path?cps=20")
	require.NoError(t, err)
	opened, ok := d.(nobody)
	require.True(t, ok)
	require.Equal(t, "20", opened.url.Query().Get("cps"))

	_, err = mux.Open("two://host")
	require.EqualError(t, err, "dialer: opening a two carrier: out of order")
	_, err = mux.Open("three://host")
	require.ErrorContains(t, err, `"three": expected one of one, two; is its package imported?`)
}

func TestEmptyURLMux(t *testing.T) {
	t.Parallel()
	var mux dialer.URLMux
	_, err := mux.Open("sip://host")
	require.ErrorContains(t, err, "no carrier package is imported")
}

func TestURLMuxPanicsOnMistakes(t *testing.T) {
	t.Parallel()
	var mux dialer.URLMux
	mux.Handle("sip", openNobody)
	require.PanicsWithValue(t, `dialer: the URL scheme "sip" is registered twice`,
		func() { mux.Handle("sip", openNobody) })
	for _, scheme := range []string{"", "SIP", "1sip", "si p", "sip:", "sip/"} {
		require.Panics(t, func() { mux.Handle(scheme, openNobody) }, scheme)
	}
	require.Panics(t, func() { mux.Handle("none", nil) })
}

func TestRegisterTwicePanics(t *testing.T) {
	t.Parallel()
	scheme := "test" + strings.ToLower(rand.Text()) // the table outlives a run of -count=2
	dialer.Register(scheme, openNobody)
	require.Panics(t, func() { dialer.Register(scheme, openNobody) })
	d, err := dialer.Open(scheme + "://")
	require.NoError(t, err)
	require.IsType(t, nobody{}, d)
}

func TestURLMuxIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var mux dialer.URLMux
	var all sync.WaitGroup
	for i := range 32 {
		scheme := "s" + strings.Repeat("x", i)
		all.Go(func() { mux.Handle(scheme, openNobody) })
		all.Go(func() { _, _ = mux.Open(scheme + "://host") })
	}
	all.Wait()
}

func TestErrorsNeverShowASecret(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	var mux dialer.URLMux
	mux.Handle("sip", func(u *url.URL) (dialer.Dialer, error) {
		p := dialer.ParseParams(u)
		p.Limits()
		return nobody{}, p.Err()
	})
	for name, raw := range map[string]string{
		"bad port":                      "sip://user:" + secret,
		"bad port before the at":        "sip://user:pass@host:" + secret,
		"bad escape":                    "sip://user:" + secret + "%zz@host",
		"bad escape in the secret":      "sip://user:%" + secret + "@host",
		"bad userinfo":                  "sip://us er:" + secret + "@host",
		"control character":             "sip://user:" + secret + "\x7f@host",
		"space":                         "sip://user:" + secret + " @host",
		"bracket":                       "sip://user:" + secret + "@[::1",
		"bad address":                   "sip://[" + secret + "]",
		"colon first":                   ":" + secret + "@host",
		"unknown scheme":                "sipz://user:" + secret + "@host",
		"no scheme":                     "//user:" + secret + "@host",
		"question mark in the secret":   "sip://user:12?" + secret + "@host",
		"hash in the secret":            "sip://user:12#" + secret + "@host",
		"bad escape in a parameter":     "sip://user:x@host?cps=" + secret + "%zz",
		"bad escape in a name":          "sip://user:x@host?" + secret + "%zz=1",
		"semicolon":                     "sip://user:x@host?a;" + secret,
		"unknown parameter beside it":   "sip://user:" + secret + "@host?unknown=" + secret,
		"doubled parameter beside it":   "sip://user:" + secret + "@host?cps=1&cps=1",
		"wrong parameter beside secret": "sip://user:" + secret + "@host?cps=fast",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := mux.Open(raw)
			require.Error(t, err)
			require.NotContains(t, err.Error(), secret)
			for e := err; e != nil; e = errors.Unwrap(e) {
				require.NotContains(t, e.Error(), secret, "deeper in the chain")
			}
		})
	}
}

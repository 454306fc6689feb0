package config

import (
	"errors"
	"net/url"
	"testing"

	"go.uber.org/goleak"

	"github.com/outdial/outdial/dialer"
)

func TestMain(m *testing.M) {
	// A carrier kind for these tests: it takes any user information and host.
	dialer.Register("test", func(u *url.URL) (dialer.Dialer, error) { return openTest(u) })
	goleak.VerifyTestMain(m)
}

// testDialer places no calls; it remembers what it was opened with.
type testDialer struct {
	dialer.Dialer

	url    *url.URL
	limits dialer.Limits
	note   string
	closed *int
	fail   error
}

func openTest(u *url.URL) (*testDialer, error) {
	p := dialer.ParseParams(u)
	d := &testDialer{url: u, limits: p.Limits(), note: p.String("note", ""), closed: new(int)}
	if s := p.String("close", ""); s != "" {
		d.fail = errors.New(s)
	}
	if s := p.String("refuse", ""); s != "" {
		return nil, errors.New("refused: " + s)
	}
	return d, p.Err()
}

func (d *testDialer) Limits() dialer.Limits { return d.limits }

func (d *testDialer) Close() error {
	*d.closed++
	return d.fail
}

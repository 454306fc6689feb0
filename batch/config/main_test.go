package config

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/outdial/outdial/dialer"
)

func TestMain(m *testing.M) {
	// A carrier kind for these tests: it takes any user information and host. It plays those, too, that are reached
	// from outside, so that no test needs a port that somebody else may have.
	for _, scheme := range []string{"test", "sip", "sips", "twilio"} {
		dialer.Register(scheme, func(u *url.URL) (dialer.Dialer, error) { return openTest(u) })
	}
	goleak.VerifyTestMain(m)
}

// testDialer is a carrier whose calls are over at once. It remembers what it was opened with.
type testDialer struct {
	dialer.Dialer

	url    *url.URL
	limits dialer.Limits
	note   string
	closed atomic.Int64

	lingers time.Duration

	replaced dialer.Dialer // whom it was told that it replaces
	fail     error
}

// opened finds one of the test's dialers behind its guard.
func opened(tb testing.TB, c *Config, name string) *testDialer {
	tb.Helper()
	d, ok := dialer.As[*testDialer](c.carriers[name].Dialer)
	if !ok {
		tb.Fatalf("carrier %q is none of the test's", name)
	}
	return d
}

// made are the dialers that were opened in a test which wants to know.
type made struct {
	mu      sync.Mutex
	dialers []*testDialer
}

var all atomic.Pointer[made]

func (d *testDialer) Replaces(old dialer.Dialer) { d.replaced = old }

func (d *testDialer) Linger() time.Duration { return d.lingers }

func (d *testDialer) closings() int { return int(d.closed.Load()) }

func openTest(u *url.URL) (*testDialer, error) {
	p := dialer.ParseParams(u)
	d := &testDialer{url: u, limits: p.Limits(), note: p.String("note", ""), lingers: p.Duration("linger", 0)}
	_, _ = p.String("public", ""), p.String("listen", "")
	if s := p.String("close", ""); s != "" {
		d.fail = errors.New(s)
	}
	if s := p.String("refuse", ""); s != "" {
		return nil, errors.New("refused: " + s)
	}
	if m := all.Load(); m != nil && p.Err() == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.dialers = append(m.dialers, d)
	}
	return d, p.Err()
}

// Dial is over at once.
func (d *testDialer) Dial(context.Context, dialer.Call, func(dialer.Progress)) (dialer.Outcome, error) {
	return dialer.Outcome{Reason: dialer.AgentHangup}, nil
}

func (d *testDialer) Limits() dialer.Limits { return d.limits }

func (d *testDialer) Close() error {
	d.closed.Add(1)
	return d.fail
}

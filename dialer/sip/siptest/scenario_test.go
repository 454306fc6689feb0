package siptest

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// scenario is one call to one carrier, or to the first of two.
type scenario struct {
	name   string
	only   string // transport; empty: each
	peer   script
	backup script             // of the second trunk; nil: there is none
	lose   func() losing      // makes a wire between that loses what it says
	wired  bool               // there is a wire between all the same
	trunk  func(*sip.Trunk)   // nil: as it is
	config func(*sip.Config)  // nil: as it is
	call   func(*dialer.Call) // nil: as it is
	do     func(*act)         // what happens meanwhile on our side

	ends      dialer.EndReason
	fails     error // what Dial returns instead of an outcome
	connected bool
	details   map[string]string
	hears     string // what the carrier received; empty: nothing at all
	spares    string // what the second one received
	check     func(*testing.T, *act)
}

type losing = func(message) bool

// act is a scenario that is being played.
type act struct {
	*dialled

	*carrier

	t      *testing.T
	wire   *wire
	backup *carrier
	trace  []message
}

// play runs the scenarios, each over UDP and TCP.
func play(t *testing.T, all []scenario) {
	t.Helper()
	for _, transport := range []string{"udp", "tcp"} {
		for _, s := range all {
			if s.only != "" && s.only != transport {
				continue
			}
			t.Run(s.name+"/"+transport, func(t *testing.T) {
				t.Parallel()
				s.play(t, transport)
			})
		}
	}
}

func (s scenario) play(t *testing.T, transport string) {
	a := &act{t: t, carrier: s.open(t, transport)}
	trunks := []sip.Trunk{s.trunkOf(a)}
	if s.backup != nil {
		a.backup = newCarrier(t, transport, s.backup)
		trunk := a.backup.trunk()
		trunk.Name = "backup"
		trunks = append(trunks, trunk)
	}
	config := sip.Config{Trunks: trunks}
	if s.config != nil {
		s.config(&config)
	}
	call := newCall()
	if s.call != nil {
		s.call(&call)
	}
	a.dialled = begin(t, newDialer(t, config), call)
	if s.do != nil {
		s.do(a)
	}
	a.over()
	s.judge(t, a.dialled)
	a.trace = a.hears(t, s.hears)
	if a.backup != nil {
		a.backup.hears(t, s.spares)
	}
	if s.check != nil {
		s.check(t, a)
	}
}

func (s scenario) open(t *testing.T, transport string) *carrier {
	return newCarrier(t, transport, s.peer)
}

// trunkOf leads to the carrier, over a wire if there is one.
func (s scenario) trunkOf(a *act) sip.Trunk {
	trunk := a.trunk()
	if s.lose != nil || s.wired {
		var lose losing
		if s.lose != nil {
			lose = s.lose()
		}
		a.wire = newWire(a.t, a.transport, a.port, lose)
		trunk.Port = a.wire.port
		trunk.SameAddress = true // SIPp's Contact would lead past the wire
	}
	if s.trunk != nil {
		s.trunk(&trunk)
	}
	return trunk
}

// received waits until SIPp has got such a message.
func (a *act) received(kind string) {
	a.t.Helper()
	require.Eventually(a.t, func() bool {
		return slices.Contains(strings.Fields(heard(a.sofar())), kind)
	}, patience, 5*time.Millisecond, "it did not get %s", kind)
}

// hears checks what the carrier received, and that nothing is left there.
func (c *carrier) hears(t *testing.T, want string) []message {
	t.Helper()
	if want == "" { // SIPp would wait for ever
		require.Empty(t, c.sofar())
		return nil
	}
	code := c.exit()
	trace := c.trace()
	require.Equal(t, want, heard(trace), "%s%s", ladder(trace), c.file("errors"))
	require.Zero(t, code, "SIPp says: %s\n%s", c.file("errors"), ladder(trace))
	balanced(t, trace)
	return trace
}

func (s scenario) judge(t *testing.T, r *dialled) {
	t.Helper()
	if s.fails != nil {
		require.ErrorIs(t, r.err, s.fails)
		return
	}
	require.NoError(t, r.err)
	require.Equal(t, s.ends, r.outcome.Reason, "%+v", r.outcome)
	require.Equal(t, s.connected, !r.outcome.ConnectedAt.IsZero(), "connected: %+v", r.outcome)
	require.NotEmpty(t, r.outcome.Ref)
	for key, value := range s.details {
		require.Equal(t, value, r.outcome.Details[key], "%s of %+v", key, r.outcome)
	}
}

// words is for what the linter takes for a slip: a message that comes twice.
func words(all ...string) string { return strings.Join(all, " ") }

// port returns a number as SIPp's arguments have it.
func port(n int) string { return strconv.Itoa(n) }

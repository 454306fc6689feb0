// Package dialertest checks a [dialer.Dialer] against every rule of package dialer.
//
// A carrier kind's own test is a few lines: it fills in a [Harness] and calls [Test].
//
//	func TestDialer(t *testing.T) {
//		dialertest.Test(t, dialertest.Harness{
//			New: func(t *testing.T) dialertest.Bench {
//				carrier := startTestCarrier(t) // ends in t.Cleanup
//				return dialertest.Bench{
//					Dialer: carrier.dial,
//					Live:   carrier.liveCalls,
//					Call: func(c dialertest.Callee) dialer.Call {
//						return dialer.Call{From: "+442071838750", To: carrier.numberOf(c)}
//					},
//				}
//			},
//			Limiter: true,
//		})
//	}
//
// Each rule is a subtest named as the rule, over a fresh [Bench], and can be
// run alone:
//
//	go test -run 'TestDialer/CancelWhileRingingHangsUp'
//
// The package uses the standard library only, so that a host which tests a dialer of
// its own links nothing else.
package dialertest

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outdial/outdial/dialer"
)

// Callee is what the person at the other end does, or the carrier instead.
type Callee int

// The callees.
const (
	Answers      Callee = iota + 1 // the phone rings, is answered, and hung up within Harness.Soon
	Busy                           // the callee is busy
	RingsForever                   // the phone rings until the caller gives up
	TalksForever                   // the phone rings, is answered, and hung up by the caller only
	Refused                        // the carrier refuses before anything is placed
	Unavailable                    // the carrier takes no calls at present
)

// Harness says how to make what is tested, and what it can do.
type Harness struct {
	// New makes a dialer and a carrier of its own, and leaves their end to t.Cleanup.
	New func(t *testing.T) Bench

	// Resumer and Limiter say which optional interfaces the dialer has. That they are
	// there is a rule: they vanish easily when a dialer is wrapped.
	Resumer, Limiter bool

	// NoUnavailable says that Bench.Call does not know the callee Unavailable. The rule for
	// it is skipped.
	NoUnavailable bool

	// Unreported are the stages that the dialer never reports, because its carrier does
	// not tell. The suite then waits for the stage before.
	Unreported []dialer.Stage

	// Bubble runs each rule inside a testing/synctest bubble, so that no time is lost with
	// waiting. It is not for dialers that use sockets. A dialer that waits for a mutex stops
	// a bubble's clock: its failure is then the timeout of the test.
	Bubble bool

	// Soon is how long the dialer may take for what is to happen "soon" or "at once". A
	// test that passes does not wait for it. Zero: 10 seconds.
	Soon time.Duration

	// Shortest is the shortest RingTimeout and MaxDuration that the dialer can keep; it
	// may be a tenth early. Zero: 50 milliseconds.
	Shortest time.Duration

	// AtOnce is how many calls the rule about many calls makes at once. Zero: 1,000.
	AtOnce int
}

// Bench is a dialer with its carrier. Its functions are called from many goroutines.
type Bench struct {
	Dialer dialer.Dialer

	// Call returns a call to such a callee: From, To and Agent, and the Metadata if it
	// matters. The suite fills in the rest.
	Call func(Callee) dialer.Call

	// Live returns how many calls are live at the carrier, whoever follows them. Nil: the
	// carrier cannot tell, and nothing that needs it is checked.
	Live func() int

	// Placed returns how many calls the carrier has taken so far. Nil as above.
	Placed func() int
}

// rule is one thing that a dialer must do.
type rule struct {
	name  string
	says  string // what the contract says, printed when the rule is broken
	check func(*trial)
}

func rules() []rule {
	return slices.Concat(
		interfaceRules(), outcomeRules(), timeRules(), progressRules(), cancelRules(), limitRules(),
		placementRules(), loadRules(), leftoverRules(), resumeRules(),
	)
}

// Test checks every rule, each in a subtest.
func Test(t *testing.T, h Harness) {
	t.Helper()
	h = h.withDefaults()
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			if h.Bubble {
				synctest.Test(t, func(t *testing.T) { r.run(t, h) })
				return
			}
			r.run(t, h)
		})
	}
}

func (h Harness) withDefaults() Harness {
	const soon, shortest, atOnce = 10 * time.Second, 50 * time.Millisecond, 1000
	if h.Soon == 0 {
		h.Soon = soon
	}
	if h.Shortest == 0 {
		h.Shortest = shortest
	}
	if h.AtOnce == 0 {
		h.AtOnce = atOnce
	}
	return h
}

func (r rule) run(t *testing.T, h Harness) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the rule: %s", r.says)
		}
	}()
	tr := &trial{T: t, Harness: h, Bench: h.New(t)}
	t.Cleanup(tr.hangUpAll)
	r.check(tr)
}

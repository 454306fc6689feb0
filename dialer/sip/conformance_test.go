package sip_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/dialertest"
)

// asDialled does what the number says, of those that the bench below hands out.
func asDialled(l *leg) {
	const brief = 2 * time.Millisecond
	switch {
	case strings.HasPrefix(l.first.user(), "+14151"):
		l.ring()
		l.pause(brief)
		l.accept()
		l.expect("ACK")
		l.bye()
	case strings.HasPrefix(l.first.user(), "+14152"):
		l.reply(l.first, 486, "Busy Here")
	case strings.HasPrefix(l.first.user(), "+14153"):
		l.ring()
	case strings.HasPrefix(l.first.user(), "+14154"):
		l.ring()
		l.pause(brief)
		l.accept()
	case strings.HasPrefix(l.first.user(), "+14155"):
		l.reply(l.first, 503, "Service Unavailable", "Retry-After: 7")
	}
}

func bench(transport string) func(*testing.T) dialertest.Bench {
	return func(t *testing.T) dialertest.Bench {
		t.Helper()
		p := newPeer(t, transport, asDialled)
		var numbers atomic.Int64
		groups := map[dialertest.Callee]int{
			dialertest.Answers: 1, dialertest.Busy: 2, dialertest.RingsForever: 3, dialertest.TalksForever: 4,
			dialertest.Unavailable: 5,
		}
		return dialertest.Bench{
			Dialer: newDialer(t, trunkTo(p)),
			Live:   p.liveCalls,
			Placed: p.placed,
			Call: func(c dialertest.Callee) dialer.Call {
				to := dialer.Phone(fmt.Sprintf("+1415%d%06d", groups[c], numbers.Add(1)))
				if c == dialertest.Refused {
					to = "+14155550123\r\nX-Injected: 1"
				}
				return dialer.Call{From: caller, To: to}
			},
		}
	}
}

//nolint:paralleltest // the suite counts goroutines
func TestDialer(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			dialertest.Test(t, dialertest.Harness{New: bench(transport), Limiter: true})
		})
	}
}

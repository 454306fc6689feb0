package sip_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// Every fifth call is answered and hung up by the callee, every fifth by us; the others are
// busy, not answered, and refused.
func TestLoad(t *testing.T) { //nolint:paralleltest // it counts what is left
	const calls, atOnce = 3000, 200
	p := newPeer(t, "udp", func(l *leg) {
		switch l.first.user()[len(l.first.user())-1] % 5 {
		case 0:
			answers(l)
		case 1:
			l.talk()
		case 2:
			l.reply(l.first, 486, "Busy Here")
		case 3:
			l.ring()
		case 4:
			l.reply(l.first, 404, "Not Found")
		}
	})
	trunk := trunkTo(p)
	trunk.SilentAfter = -1 // a machine that is busy for so long is no server that is silent
	d := newDialer(t, trunk)
	wants := []dialer.EndReason{dialer.ClientHangup, dialer.MaxDuration, dialer.DialBusy, dialer.DialNoAnswer, dialer.DialFailed}
	var wrong sync.Map
	var numbers atomic.Int64
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for {
				n := numbers.Add(1)
				if n > calls {
					return
				}
				call := callTo(dialer.Phone(fmt.Sprintf("+1415%07d", n)))
				want := wants[(n%10+'0')%5]
				if want == dialer.DialNoAnswer {
					call.RingTimeout = 5 * time.Second // in which a busy machine hears the ringing
				}
				call.MaxDuration = 200 * time.Millisecond
				if want == dialer.ClientHangup {
					call.MaxDuration = time.Minute
				}
				o, err := d.Dial(t.Context(), call, func(dialer.Progress) {})
				if err != nil || o.Reason != want {
					wrong.Store(n, fmt.Sprintf("expected %s: %s %v", want, o.Reason, err))
				}
			}
		})
	}
	workers.Wait()
	wrong.Range(func(n, what any) bool {
		t.Errorf("call %d: %s", n, what)
		return true
	})
	p.balanced()
	require.Equal(t, calls, p.placed())
	require.Eventually(t, func() bool { return !leftovers() }, patience, 10*time.Millisecond, "goroutines of calls are left")
}

// leftovers says whether goroutines are there that belong to a call.
func leftovers() bool {
	buffer := make([]byte, 8<<20)
	stacks := string(buffer[:runtime.Stack(buffer, true)])
	return strings.Contains(stacks, "sip.(*call)") || strings.Contains(stacks, "sip.(*dialog)") ||
		strings.Contains(stacks, "sip.(*invite)")
}

package siptest

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
	"github.com/outdial/outdial/dialer/sip/media"
)

// callsFlag is for runs that take longer, such as one of 10,000 calls.
var callsFlag = flag.Int("calls", 0, "how many calls TestManyCalls places by each transport; 0: as many as suit")

// full returns the first number where everything is to be tested, else the second.
func full(all, some int) int {
	if everything() && !testing.Short() {
		return all
	}
	return some
}

// fate is what a carrier does with the calls to numbers that end with a digit.
type fate struct {
	peer     script
	ends     dialer.EndReason
	ringTime time.Duration
	maxTime  time.Duration
}

func fates() []fate {
	talks := fate{peer: script{ringing(), pause(50), answer(), pause(100), bye()}, ends: dialer.ClientHangup}
	refuses := func(code int, ends dialer.EndReason) fate {
		return fate{peer: script{pause(20), refuse(code, "Refused")}, ends: ends}
	}
	return []fate{
		talks, talks, talks, talks,
		{peer: script{ringing(), answer(), hungUp()}, ends: dialer.MaxDuration, maxTime: time.Second},
		refuses(486, dialer.DialBusy),
		refuses(404, dialer.DialFailed),
		{peer: script{ringing(), cancelled()}, ends: dialer.DialNoAnswer, ringTime: 8 * time.Second}, // in which a busy machine hears of it,
		refuses(480, dialer.DialNoAnswer),
		refuses(500, dialer.DialFailed),
	}
}

// byLastDigit makes one script of all fates.
func byLastDigit(all []fate) script {
	var patterns []string
	for digit := range all {
		patterns = append(patterns, fmt.Sprintf(`<ereg regexp="[0-9]+%d@" search_in="hdr" header="To:" assign_to="is%d"/>`, digit, digit))
	}
	return script{expectAs("INVITE", "INVITE", patterns...), func(w *scene) {
		for digit := range all {
			w.variables["is"+strconv.Itoa(digit)] = true
			w.line(`<nop test="is%d" next="%d"/>`, digit, digit+1)
		}
		end := len(all) + 1
		for digit, one := range all {
			w.line(`<label id="%d"/>`, digit+1)
			steps(one.peer...)(w)
			w.line(`<nop next="%d"/>`, end)
		}
		w.line(`<label id="%d"/>`, end)
	}}
}

// The test is no parallel one: it counts what is left, of ports for media, too.
func TestManyCalls(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			all := fates()
			calls := cmp.Or(*callsFlag, full(3000, 300))
			c := newCarrier(t, transport, byLastDigit(all), "-m", strconv.Itoa(calls), "-message_file", "/dev/null")
			before, ignore := descriptors(t), goleak.IgnoreCurrent()
			ports := media.PortRange{First: 11000, Last: 11999}
			rtp, err := media.RTP(media.Config{IP: netip.MustParseAddr("127.0.0.1"), Ports: ports, Agent: media.AgentFunc(listener)})
			require.NoError(t, err)
			d, err := sip.New(sip.Config{Trunks: []sip.Trunk{c.trunk()}, Listen: "127.0.0.1:0", Media: rtp})
			require.NoError(t, err)
			t.Cleanup(func() {
				if t.Failed() {
					said := c.file("errors") // of thousands of calls
					t.Logf("SIPp: %s", said[:min(len(said), 10_000)])
				}
			})
			placeAll(t, d, calls, 200, func(n int) (dialer.Call, dialer.EndReason) {
				f, call := all[n%len(all)], newCall()
				call.ID, call.To = strconv.Itoa(n), dialer.Phone(fmt.Sprintf("+1415555%04d", n))
				if f.ringTime > 0 {
					call.RingTimeout = f.ringTime
				}
				if f.maxTime > 0 {
					call.MaxDuration = f.maxTime
				}
				return call, f.ends
			})
			require.Zero(t, c.exit(), "SIPp counts calls that failed: %s", c.file("errors"))
			require.NoError(t, d.Close())
			goleak.VerifyNone(t, ignore)
			require.Eventually(t, func() bool { return descriptors(t) <= before }, patience, 10*time.Millisecond,
				"descriptors are left open")
			allFree(t, ports)
		})
	}
}

// listener is an agent that says nothing.
func listener(ctx context.Context, _ media.Leg) error {
	<-ctx.Done()
	return nil
}

// allFree checks that nothing is left of the media of the calls.
func allFree(t *testing.T, ports media.PortRange) {
	t.Helper()
	for port := ports.First; port <= ports.Last; port++ {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: int(port)})
		require.NoError(t, err, "a port is left open")
		require.NoError(t, conn.Close())
	}
}

// placeAll places the calls, so many at once, and checks how each ends.
func placeAll(
	tb testing.TB, d dialer.Dialer, calls, open int, next func(n int) (dialer.Call, dialer.EndReason),
) {
	tb.Helper()
	numbers := make(chan int)
	wrong := make(chan string, calls)
	var workers sync.WaitGroup
	for range open {
		workers.Go(func() {
			for n := range numbers {
				call, want := next(n)
				o, err := d.Dial(context.Background(), call, func(dialer.Progress) {})
				if err != nil || o.Reason != want {
					wrong <- fmt.Sprintf("call %d: %s instead of %s: %v %s %v", n, o.Reason, want, err, o.Message, o.Details)
				}
			}
		})
	}
	for n := range calls {
		numbers <- n
	}
	close(numbers)
	workers.Wait()
	close(wrong)
	var all []string
	for s := range wrong {
		all = append(all, s)
	}
	require.Empty(tb, all[:min(len(all), 10)], "%d calls", len(all))
}

// descriptors is how many files and sockets this process has open.
func descriptors(tb testing.TB) int {
	tb.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	require.NoError(tb, err)
	return len(all)
}

// The limit is that of the design: what 1,000 answered calls keep in memory, without media.
func TestMemoryOfAHeldCall(t *testing.T) {
	const limit = 40 << 10
	calls := full(2000, 500)
	c := newCarrier(t, "udp", script{seen("INVITE"), echo(200, "OK", sdp), seen("ACK"), seen("BYE"), echo(200, "OK", "")},
		"-m", strconv.Itoa(calls), "-message_file", "/dev/null")
	d, err := sip.New(sip.Config{Trunks: []sip.Trunk{c.trunk()}, Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	heap, resident := memory(t)
	ctx, hangUp := context.WithCancelCause(context.Background())
	var answered, over sync.WaitGroup
	answered.Add(calls)
	const pace = 200 // calls that begin at once, lest SIPp lose some
	begun := make(chan struct{}, pace)
	for n := range calls {
		begun <- struct{}{}
		over.Go(func() {
			call := newCall()
			call.ID = strconv.Itoa(n)
			o, err := d.Dial(ctx, call, func(p dialer.Progress) {
				if p.Stage == dialer.Connected {
					<-begun
					answered.Done()
				}
			})
			if err != nil || o.Reason != dialer.APICancelled || o.ConnectedAt.IsZero() {
				t.Errorf("the call ended otherwise: %+v %v", o, err)
			}
		})
	}
	answered.Wait()
	heapHeld, residentHeld := memory(t)
	hangUp(nil)
	over.Wait()
	require.NoError(t, d.Close())
	require.Zero(t, c.exit(), "%s", c.file("errors"))
	perCall := (heapHeld - heap) / calls
	t.Logf("%d calls held: %d bytes of heap and stack each, %d bytes resident", calls, perCall, (residentHeld-resident)/calls)
	require.LessOrEqual(t, perCall, limit)
	if !raceDetector {
		require.LessOrEqual(t, (residentHeld-resident)/calls, limit)
	}
}

// memory is what is in use: by the heap and the stacks, and of the machine.
func memory(tb testing.TB) (heap, resident int) {
	tb.Helper()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(tb, err)
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kilobytes, err := strconv.Atoi(fields[1])
			require.NoError(tb, err)
			resident = kilobytes << 10
		}
	}
	return int(m.HeapAlloc + m.StackInuse), resident
}

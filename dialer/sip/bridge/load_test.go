//go:build unix

package bridge_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/sip/bridge"
	"github.com/outdial/outdial/dialer/sip/media"
)

const (
	loadFrames = 250 // five seconds

	// A frame is late when a jitter buffer of 60 ms would not have it in time.
	late = 3 * media.FrameTime

	// lateShare is how many may be, and three times as many as there are moments at which a goroutine that does
	// nothing else gets no time: a frame passes through several, and each may be held up.
	lateShare = 0.01

	// rounds is how often calls with and without agents behind WebSockets are compared. Other work on the machine
	// only ever makes it worse, so one good round shows that it can be done.
	rounds = 3
)

// statistics are what the peers make of the RTP that they receive.
type statistics struct {
	frames, lost, disordered, late, echoed atomic.Int64
	worst                                  atomic.Int64 // nanoseconds behind the schedule
	cpu                                    time.Duration
	took                                   time.Duration
	starved                                float64 // the share of moments at which this process got no time
}

func (s *statistics) lateShare() float64 { return float64(s.late.Load()) / float64(s.frames.Load()) }

func (s *statistics) log(t *testing.T, who string) {
	t.Helper()
	t.Logf("%d calls %s: %d frames, %d late, %d lost, %d out of order, the worst %v behind; "+
		"%.2f ms of CPU per call and second, all sides in this process; %.1f %% of a bare clock's moments late",
		loadCalls, who, s.frames.Load(), s.late.Load(), s.lost.Load(), s.disordered.Load(), time.Duration(s.worst.Load()),
		float64(s.cpu.Microseconds())/1000/loadCalls/s.took.Seconds(), 100*s.starved)
}

// TestManyCallsAtOnce has each agent return what it hears, in turn over WebSockets and in this process. By the peers'
// statistics no frame is lost or out of order, and the WebSockets make no more of them late than a process
// would that is starved of time as often as this one is.
func TestManyCallsAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	srv := httptest.NewServer(http.HandlerFunc(returnMedia))
	defer srv.Close()
	behind := bridge.WebSocket(bridge.Config{})
	url := strings.Replace(srv.URL, "http", "ws", 1)
	for range rounds {
		without := manyCalls(t, media.AgentFunc(echo), "")
		without.log(t, "without WebSockets")
		with := manyCalls(t, behind, url)
		with.log(t, "with agents behind WebSockets")
		for _, s := range []*statistics{without, with} {
			require.EqualValues(t, loadCalls*loadFrames, s.frames.Load())
			require.Zero(t, s.lost.Load())
			require.Zero(t, s.disordered.Load())
			require.Positive(t, s.echoed.Load())
		}
		if with.lateShare() <= without.lateShare()+lateShare+3*with.starved {
			return
		}
	}
	require.Fail(t, "agents behind WebSockets make frames late each time")
}

func manyCalls(t *testing.T, agent media.Agent, url string) *statistics {
	t.Helper()
	h, err := media.RTP(media.Config{
		Agent: agent, IP: netip.MustParseAddr("127.0.0.1"), ListenIP: netip.MustParseAddr("127.0.0.1"),
		Ports: media.PortRange{First: 24000, Last: 31999},
	})
	require.NoError(t, err)
	s := &statistics{}
	over, starved := make(chan struct{}), make(chan float64, 1)
	go func() { starved <- control(over) }()
	var phones []*phone
	var ends []func()
	for range loadCalls {
		p, end := answer(t, h, url)
		phones, ends = append(phones, p), append(ends, end)
	}
	before, began := used(), time.Now()
	var all sync.WaitGroup
	for _, p := range phones {
		all.Go(func() { s.listen(p) })
		all.Go(func() { p.keepTalking(loadFrames) })
	}
	all.Wait()
	s.cpu, s.took = used()-before, time.Since(began)
	close(over)
	s.starved = <-starved
	var ending sync.WaitGroup
	for _, end := range ends {
		ending.Go(end)
	}
	ending.Wait()
	return s
}

// answer is a call that is answered, and how to end it.
func answer(t *testing.T, h media.Handler, url string) (*phone, func()) {
	t.Helper()
	session, err := h.Open(t.Context(), aCall(url))
	require.NoError(t, err)
	p := phoneOf(t, session)
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- session.Run(ctx) }()
	return p, func() {
		cancel(media.HungUp())
		require.ErrorIs(t, <-ended, media.HungUp())
		require.NoError(t, session.Close())
		require.NoError(t, p.conn.Close())
	}
}

// keepTalking sends a frame every 20 ms, at moments that are the call's own.
func (p *phone) keepTalking(frames int) {
	payload := bytes.Repeat([]byte{0x2a}, media.FrameSamples)
	<-time.After(time.Duration(rand.Int64N(int64(media.FrameTime))))
	ticker := time.NewTicker(media.FrameTime)
	defer ticker.Stop()
	for range frames {
		<-ticker.C
		datagram, err := (&rtp.Packet{Header: p.next, Payload: payload}).Marshal()
		if err != nil {
			panic(err)
		}
		p.next.SequenceNumber++
		p.next.Timestamp += media.FrameSamples
		if _, err := p.conn.WriteToUDPAddrPort(datagram, p.to); err != nil {
			return // the test is over
		}
	}
}

// listen judges frames by the schedule that the earliest ones set.
func (s *statistics) listen(p *phone) {
	var first, before rtp.Header
	var ideal time.Time
	buffer := make([]byte, 1500)
	for i := 0; i < loadFrames; {
		_ = p.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := p.conn.Read(buffer)
		if err != nil {
			return // which is too few frames
		}
		var packet rtp.Packet
		if packet.Unmarshal(buffer[:n]) != nil || packet.PayloadType != 8 {
			continue // RTCP
		}
		at := time.Now()
		if i == 0 {
			first, before, ideal = packet.Header, packet.Header, at
			before.SequenceNumber--
		}
		i++
		s.frames.Add(1)
		if packet.Payload[0] == 0x2a {
			s.echoed.Add(1)
		}
		switch d := int16(packet.SequenceNumber - before.SequenceNumber); {
		case d <= 0:
			s.disordered.Add(1)
		case d > 1:
			s.lost.Add(int64(d - 1))
		}
		before = packet.Header
		behind := at.Sub(ideal.Add(time.Duration(packet.Timestamp-first.Timestamp) * time.Second / media.SampleRate))
		if behind < 0 {
			ideal = ideal.Add(behind) // the first one was late itself
		}
		if behind > late {
			s.late.Add(1)
		}
		for worst := s.worst.Load(); int64(behind) > worst; worst = s.worst.Load() {
			if s.worst.CompareAndSwap(worst, int64(behind)) {
				break
			}
		}
	}
}

// control is the share of the moments at which a goroutine that does nothing else is served late.
func control(over <-chan struct{}) float64 {
	began := time.Now()
	missed := 0
	for n := 1; ; n++ {
		due := began.Add(time.Duration(n) * 5 * time.Millisecond)
		select {
		case <-over:
			return float64(missed) / float64(n)
		case <-time.After(time.Until(due)):
		}
		if time.Since(due) > late-media.FrameTime {
			missed++
		}
	}
}

func echo(ctx context.Context, leg media.Leg) error {
	for {
		f, err := leg.ReadFrame(ctx)
		if err != nil {
			return err
		}
		if err := leg.WriteFrame(ctx, f); err != nil {
			return err
		}
	}
}

// returnMedia is an agent that returns what it hears. It is lean, since its share of the processor is no part of what is
// measured.
func returnMedia(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow() //nolint:errcheck // whatever it says, it is gone
	for {
		_, data, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		_, payload, found := bytes.Cut(data, []byte(`"payload":"`))
		payload, _, ended := bytes.Cut(payload, []byte(`"`))
		if !found || !ended {
			continue
		}
		out := append(append([]byte(`{"event":"media","media":{"payload":"`), payload...), `"}}`...)
		if conn.Write(r.Context(), websocket.MessageText, out) != nil {
			return
		}
	}
}

// used is the CPU time of this process.
func used() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

//go:build unix

package media_test

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/sip/media"
)

const (
	loadFrames = 150 // three seconds

	// A frame is late when a jitter buffer of 60 ms would not have it in time. One of a
	// hundred may be, and twice as many as there are moments at which this process got no
	// time at all, which control finds out.
	lateFrames = 3
	lateShare  = 0.01

	// Where as many may be late by that, the frames wait for the processor and for nothing else.
	tooBusy = 0.1

	// Other work on the machine only ever makes it worse, so one good attempt shows that
	// it can be done. Frames may be lost or out of order in none.
	attempts = 3
)

// control is the share of the moments at which a goroutine that does nothing else is served late.
func control(over <-chan struct{}) float64 {
	began := time.Now()
	late := 0
	for n := 1; ; n++ {
		due := began.Add(time.Duration(n) * 5 * time.Millisecond)
		select {
		case <-over:
			return float64(late) / float64(n)
		case <-time.After(time.Until(due)):
		}
		if time.Since(due) > (lateFrames-1)*media.FrameTime {
			late++
		}
	}
}

// statistics are what the peers make of what they receive.
type statistics struct {
	frames, lost, late, disordered atomic.Int64
	worst                          atomic.Int64 // nanoseconds behind the schedule
}

// TestTwoHundredCallsAtOnce has each agent return what it hears.
func TestTwoHundredCallsAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	isBusy := true
	for range attempts {
		late, allowed := manyCalls(t)
		if late <= allowed {
			return
		}
		isBusy = isBusy && allowed > tooBusy
	}
	if isBusy { // what is asked of every attempt has been seen to
		t.Skip("this machine gave the process too little time to judge times by")
	}
	require.Fail(t, "too many frames were late each time")
}

// manyCalls returns the share of frames that were late, and how many may be.
func manyCalls(t *testing.T) (late, allowed float64) {
	t.Helper()
	h := handler(t, media.Config{Agent: media.AgentFunc(echo), Ports: somePorts(loadCalls)})
	var stats statistics
	var calls sync.WaitGroup
	over, stalled := make(chan struct{}), make(chan float64, 1)
	go func() { stalled <- control(over) }()
	before := used()
	began := time.Now()
	for range loadCalls {
		s, err := h.Open(t.Context(), aCall())
		require.NoError(t, err)
		offer, err := s.Offer()
		require.NoError(t, err)
		p := newPeer(t)
		p.aim(offer)
		require.NoError(t, s.Answer(p.sdp("8"), false))
		run(t, s, p)
		calls.Go(func() { stats.listen(p) })
		calls.Go(func() { p.talk(loadFrames) })
	}
	calls.Wait()
	took := time.Since(began)
	close(over)
	allowed = lateShare + 2*<-stalled
	t.Logf("%d calls, both sides in this process: %.2f ms of CPU per call and second; worst frame %v behind",
		loadCalls, float64((used()-before).Microseconds())/1000/loadCalls/took.Seconds(),
		time.Duration(stats.worst.Load()))
	t.Logf("%d frames, %d late, %.1f %% allowed", stats.frames.Load(), stats.late.Load(), 100*allowed)
	require.EqualValues(t, loadCalls*loadFrames, stats.frames.Load())
	require.Zero(t, stats.lost.Load())
	require.Zero(t, stats.disordered.Load())
	return float64(stats.late.Load()) / loadCalls / loadFrames, allowed
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

// listen judges frames by the schedule that the first ones set.
func (s *statistics) listen(p *peer) {
	first := p.packet()
	before := first
	ideal := first.at
	s.frames.Add(1)
	for i := 1; i < loadFrames; i++ {
		g := p.packet()
		s.frames.Add(1)
		switch d := int16(g.SequenceNumber - before.SequenceNumber); {
		case d <= 0:
			s.disordered.Add(1)
		case d > 1:
			s.lost.Add(int64(d - 1))
		}
		before = g
		due := ideal.Add(time.Duration(g.Timestamp-first.Timestamp) * time.Second / 8000)
		behind := g.at.Sub(due)
		if behind < 0 {
			ideal = ideal.Add(behind) // the first one was late itself
		}
		if behind > lateFrames*media.FrameTime {
			s.late.Add(1)
		}
		for worst := s.worst.Load(); int64(behind) > worst; worst = s.worst.Load() {
			if s.worst.CompareAndSwap(worst, int64(behind)) {
				break
			}
		}
	}
}

// talk sends a frame every 20 ms.
func (p *peer) talk(n int) {
	ticker := time.NewTicker(media.FrameTime)
	defer ticker.Stop()
	for range n {
		<-ticker.C
		p.say(8, 440, 1)
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

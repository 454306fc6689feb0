package media_test

import (
	"context"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

// patience is how long anything may take that is to happen. A test that passes does not wait for it.
const patience = time.Minute

func loopback() netip.Addr { return netip.MustParseAddr("127.0.0.1") }

// nextPorts keeps the handlers of tests that run at once from each other's ports.
var nextPorts atomic.Int32

func somePorts(n int) media.PortRange {
	first := uint16(20000 + nextPorts.Add(int32(2*n+2))%20000)
	first += first % 2
	return media.PortRange{First: first, Last: first + uint16(2*n-1)}
}

func aCall() dialer.Call {
	return dialer.Call{ID: "ac_1", Org: "org", Batch: "acb_1", Recipient: "ap_1", Attempt: 1}
}

// connected is an answered call between a peer and an agent.
type connected struct {
	media.Session

	t      testing.TB
	peer   *peer
	leg    media.Leg
	ended  chan error
	hangUp context.CancelCauseFunc
}

// legs hands over the leg of a call and leaves the talking to the test, until the call is over
// or the test has the agent hang up.
type legs struct {
	leg    chan media.Leg
	hangUp chan struct{}
}

func newLegs() legs { return legs{leg: make(chan media.Leg, 1), hangUp: make(chan struct{})} }

func (l legs) talk(ctx context.Context, leg media.Leg) error {
	l.leg <- leg
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.hangUp:
		return nil
	}
}

func handler(tb testing.TB, c media.Config) media.Handler {
	tb.Helper()
	c.IP = loopback()
	c.ListenIP = loopback()
	if c.Ports == (media.PortRange{}) {
		c.Ports = somePorts(20)
	}
	h, err := media.RTP(c)
	require.NoError(tb, err)
	return h
}

// open opens a session with an offer that the peer has seen.
func open(tb testing.TB, c media.Config) (media.Session, *peer, []byte) {
	tb.Helper()
	s, err := handler(tb, c).Open(tb.Context(), aCall())
	require.NoError(tb, err)
	offer, err := s.Offer()
	require.NoError(tb, err)
	p := newPeer(tb)
	p.aim(offer)
	return s, p, offer
}

// connect is open, with an answer of those formats and lines, and an agent.
func connect(tb testing.TB, c media.Config, formats string, attributes ...string) *connected {
	tb.Helper()
	agent := newLegs()
	if c.Agent == nil {
		c.Agent = media.AgentFunc(agent.talk)
	}
	s, p, _ := open(tb, c)
	require.NoError(tb, s.Answer(p.sdp(formats, attributes...), false))
	called := run(tb, s, p)
	called.leg = <-agent.leg
	return called
}

// run runs the session until the end of the test.
func run(tb testing.TB, s media.Session, p *peer) *connected {
	tb.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	c := &connected{Session: s, t: tb, peer: p, ended: make(chan error, 1), hangUp: cancel}
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		c.ended <- s.Run(ctx)
	}()
	tb.Cleanup(func() {
		cancel(nil)
		<-returned
		require.NoError(tb, s.Close())
	})
	return c
}

// end waits for the end of Run.
func (c *connected) end() error {
	c.t.Helper()
	select {
	case err := <-c.ended:
		return err
	case <-time.After(patience):
		require.FailNow(c.t, "Run did not return")
		return nil
	}
}

// heard reads n frames at the agent.
func (c *connected) heard(n int) []int16 {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	var samples []int16
	for range n {
		f, err := c.leg.ReadFrame(ctx)
		require.NoError(c.t, err)
		samples = append(samples, f[:]...)
	}
	return samples
}

// hears reads until the tone is in what the agent hears.
func (c *connected) hears(hertz float64) {
	c.t.Helper()
	for range 500 {
		if level(c.heard(1), hertz) > 0.5 {
			return
		}
	}
	require.FailNow(c.t, "the agent does not hear the tone")
}

// says writes n frames of a tone.
func (c *connected) says(hertz float64, n int) {
	c.t.Helper()
	for i := range n {
		var f media.Frame
		for j := range f {
			f[j] = tone(hertz, i*160+j)
		}
		require.NoError(c.t, c.leg.WriteFrame(c.t.Context(), f))
	}
}

// The two-second rule is about what the callee hears after the answer, whatever is done in between.
func TestTheFirstAudioIsMeasuredFromTheAnswer(t *testing.T) {
	agent := newLegs()
	s, p, _ := open(t, media.Config{Agent: media.AgentFunc(agent.talk)})
	answered := time.Now()
	require.NoError(t, s.Answer(p.sdp("0"), false))
	<-time.After(200 * time.Millisecond)
	c := run(t, s, p)
	c.leg = <-agent.leg
	c.says(440, 1)
	require.Eventually(t, func() bool { return s.Details()["media_agent_first_audio_ms"] != "" }, patience, time.Millisecond)
	took, err := strconv.Atoi(s.Details()["media_agent_first_audio_ms"])
	require.NoError(t, err)
	require.GreaterOrEqual(t, took, 200)
	require.LessOrEqual(t, took, int(time.Since(answered).Milliseconds()))
}

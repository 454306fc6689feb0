package media_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

func TestPortsAreExhaustedAndGivenBack(t *testing.T) {
	h := handler(t, media.Config{Agent: quiet(), Ports: somePorts(3)})
	var sessions []media.Session
	ports := make(map[uint16]bool)
	for range 3 {
		s, err := h.Open(t.Context(), aCall())
		require.NoError(t, err)
		sessions = append(sessions, s)
		ports[portOf(t, s)] = true
	}
	require.Len(t, ports, 3)
	_, err := h.Open(t.Context(), aCall())
	require.ErrorIs(t, err, media.ErrNoPort)

	given := portOf(t, sessions[1])
	require.NoError(t, sessions[1].Close())
	s, err := h.Open(t.Context(), aCall())
	require.NoError(t, err)
	require.Equal(t, given, portOf(t, s))
	for _, s := range []media.Session{sessions[0], sessions[2], s} {
		require.NoError(t, s.Close())
	}
}

func portOf(t *testing.T, s media.Session) uint16 {
	offer, err := s.Offer()
	require.NoError(t, err)
	p := &peer{t: t}
	p.aim(offer)
	return p.to.Port()
}

func TestAPortThatSomebodyElseHasIsPassedOver(t *testing.T) {
	ports := somePorts(2)
	other, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(ports.First) + 1})
	require.NoError(t, err)
	defer other.Close()
	h := handler(t, media.Config{Agent: quiet(), Ports: ports})
	s, err := h.Open(t.Context(), aCall())
	require.NoError(t, err)
	require.Equal(t, ports.First+2, portOf(t, s))
	_, err = h.Open(t.Context(), aCall())
	require.ErrorIs(t, err, media.ErrNoPort)
	require.NoError(t, s.Close())
}

func TestWhatCannotBe(t *testing.T) {
	good := media.Config{Agent: quiet(), IP: loopback()}
	_, err := media.RTP(good)
	require.NoError(t, err)
	for want, change := range map[string]func(*media.Config){
		"no agent":          func(c *media.Config) { c.Agent = nil },
		"expected an IP":    func(c *media.Config) { c.IP = netip.Addr{} },
		"two families":      func(c *media.Config) { c.ListenIP = netip.IPv6Unspecified() },
		"encryption is 9":   func(c *media.Config) { c.Encryption = 9 },
		"comfort is 9":      func(c *media.Config) { c.Comfort = 9 },
		"reorder is 1s":     func(c *media.Config) { c.Reorder = time.Second },
		"ports 9 to 10":     func(c *media.Config) { c.Ports = media.PortRange{First: 9, Last: 10} },
		`unknown codec "X"`: func(c *media.Config) { c.Codecs = []media.Codec{"X"} },
		"twice":             func(c *media.Config) { c.Codecs = []media.Codec{media.PCMU, media.PCMU} },
		"PCMU or PCMA":      func(c *media.Config) { c.Codecs = []media.Codec{media.TelephoneEvent} },
	} {
		c := good
		change(&c)
		_, err := media.RTP(c)
		require.ErrorContains(t, err, want)
	}
}

// readiness is an agent that says when it is asked, and perhaps that it is not there.
type readiness struct {
	media.AgentFunc

	err   error
	asked chan struct{}
}

func (r readiness) Ready(ctx context.Context, call dialer.Call) (media.Conversation, error) {
	r.asked <- struct{}{}
	if r.err != nil {
		return nil, r.err
	}
	return r.AgentFunc.Ready(ctx, call)
}

func TestNobodyIsCalledForAnAgentThatIsNotThere(t *testing.T) {
	absent := errors.New("absent")
	h := handler(t, media.Config{Agent: readiness{err: absent, asked: make(chan struct{}, 2)}, Ports: somePorts(1)})
	for range 2 { // the port is given back
		_, err := h.Open(t.Context(), aCall())
		require.ErrorIs(t, err, media.ErrAgent)
		require.ErrorIs(t, err, absent)
	}
}

func TestTheAgentMayBeMadeReadyAtTheAnswer(t *testing.T) {
	asked := make(chan struct{}, 1)
	s, p, _ := open(t, media.Config{AgentAtAnswer: true, Agent: readiness{err: errors.New("absent"), asked: asked}})
	require.NoError(t, s.Answer(p.sdp("0"), false))
	require.Empty(t, asked)
	c := run(t, s, p)
	require.ErrorIs(t, c.end(), media.ErrAgent)
	require.Len(t, asked, 1)
}

func TestHowACallEnds(t *testing.T) {
	failed := errors.New("failed")
	for _, c := range []struct {
		name string
		talk media.AgentFunc
		want error
	}{
		{"the agent hangs up", func(context.Context, media.Leg) error { return nil }, nil},
		{"the agent fails", func(context.Context, media.Leg) error { return failed }, failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			called := connectWith(t, c.talk)
			require.ErrorIs(t, called.end(), c.want)
		})
	}
	t.Run("the agent panics", func(t *testing.T) {
		called := connectWith(t, func(context.Context, media.Leg) error { panic("oh") })
		require.EqualError(t, called.end(), "the agent panicked: oh")
	})
	t.Run("the callee hangs up", func(t *testing.T) {
		told := make(chan bool, 1)
		began := make(chan struct{})
		called := connectWith(t, func(ctx context.Context, leg media.Leg) error {
			close(began)
			for {
				if _, err := leg.ReadFrame(context.WithoutCancel(ctx)); err != nil {
					told <- media.PeerHungUp(ctx)
					return err
				}
			}
		})
		<-began
		called.hangUp(media.HungUp())
		require.ErrorIs(t, called.end(), media.HungUp())
		require.True(t, <-told)
	})
	t.Run("the session is closed", func(t *testing.T) {
		s, p, _ := open(t, media.Config{Agent: quiet()})
		require.NoError(t, s.Answer(p.sdp("0"), false))
		ended := make(chan error, 1)
		go func() { ended <- s.Run(context.Background()) }()
		p.packet()
		require.NoError(t, s.Close())
		require.ErrorContains(t, <-ended, "closed")
		require.ErrorContains(t, s.Run(t.Context()), "closed")
	})
}

func connectWith(t *testing.T, talk media.AgentFunc) *connected {
	s, p, _ := open(t, media.Config{Agent: talk})
	require.NoError(t, s.Answer(p.sdp("0"), false))
	return run(t, s, p)
}

package sip_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
	"github.com/outdial/outdial/dialer/sip/media"
)

// agentOnce is an agent that hangs up once it has heard that the call began.
func agentOnce(t *testing.T) (url string, started <-chan string) {
	t.Helper()
	calls := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		for {
			_, text, err := c.Read(r.Context())
			if err != nil {
				return
			}
			var m struct {
				Event string
				Start struct{ CallSid string }
			}
			if json.Unmarshal(text, &m) == nil && m.Event == "start" {
				calls <- r.Header.Get("Authorization") + " " + m.Start.CallSid
				c.Close(websocket.StatusNormalClosure, "")
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http"), calls
}

// A trunk that is named by nothing but a URL calls people for an agent behind a WebSocket.
func TestTheAgentOfATrunkThatIsNamedByURL(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) { l.talk() })
	d, err := dialer.Open("sip://" + p.addr() + "?keepalive=0&agent_token=s3cret")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.(*sip.Dialer).Close()) })
	call := callTo(callee)
	url, started := agentOnce(t)
	call.Agent.URL = url
	o := begin(t, d, call).ends(dialer.AgentHangup)
	require.Equal(t, "Bearer s3cret "+call.ID, <-started)
	p.balanced()
	require.Equal(t, []string{"INVITE", "ACK", "BYE"}, p.only().saw())
	require.Equal(t, "PCMU", o.Details["media_codec"])
	require.Contains(t, p.only().first.body, "c=IN IP4 127.0.0.1")
}

func TestNobodyIsCalledForAnAgentThatIsNotThere(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) { l.talk() })
	d, err := dialer.Open("sip://" + p.addr() + "?keepalive=0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.(*sip.Dialer).Close()) })
	gone := httptest.NewServer(nil)
	gone.Close()
	call := callTo(callee)
	call.Agent.URL = "ws" + strings.TrimPrefix(gone.URL, "http")
	_, err = d.Dial(t.Context(), call, func(dialer.Progress) {})
	var unavailable *dialer.UnavailableError
	require.ErrorAs(t, err, &unavailable)
	require.True(t, unavailable.AgentOnly, "calls for other agents go on")
	require.Zero(t, p.placed())
}

// noNames is a resolver that knows nothing.
type noNames struct{}

func (noNames) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, errors.New("no such host")
}

func (noNames) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, errors.New("no such host")
}

func TestATrunkWhoseNameIsUnknownForNowCostsNobodyTheirCall(t *testing.T) {
	t.Parallel()
	d := newDialerOf(t, sip.Config{
		Trunks: []sip.Trunk{{Host: "carrier.test", KeepAlive: -1}}, Resolver: noNames{},
		Media: sip.Routed(noNames{}, sip.Trunk{Host: "carrier.test"}),
	})
	_, err := d.Dial(t.Context(), callTo(callee), func(dialer.Progress) {})
	var unavailable *dialer.UnavailableError
	require.ErrorAs(t, err, &unavailable)
	require.ErrorContains(t, err, "no such host")
}

// An agent that is not ready in the time that the phone may ring is as good as none. A trunk without ports is no
// matter of the agent.
func TestWhoIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		open  func(context.Context) error
		agent bool
	}{
		"an agent that is late": {func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }, true},
		"an agent that is late, otherwise": {func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("no luck")
		}, true},
		"no port": {func(context.Context) error { return media.ErrNoPort }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", answers)
			d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunkTo(p)}, Media: opener(c.open)})
			call := callTo(callee)
			call.RingTimeout = 50 * time.Millisecond
			var unavailable *dialer.UnavailableError
			require.ErrorAs(t, begin(t, d, call).over().err, &unavailable)
			require.Equal(t, c.agent, unavailable.AgentOnly)
			require.Zero(t, p.placed())
		})
	}
}

// opener is media that cannot be opened.
type opener func(context.Context) error

func (o opener) Open(ctx context.Context, _ dialer.Call) (media.Session, error) { return nil, o(ctx) }

// stuck is a resolver that does not answer until it is told to, and then the address that it was told last.
type stuck struct {
	zone

	asked chan struct{}
	tell  chan struct{}
}

func (s stuck) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	s.asked <- struct{}{}
	<-s.tell
	return s.zone.LookupNetIP(ctx, network, host)
}

// A look-up that one call waits for in vain keeps no other one, and is done once.
func TestALookUpForMediaIsSharedAndHoldsNobody(t *testing.T) {
	t.Parallel()
	r := stuck{zone{"carrier.test": "127.0.0.1"}, make(chan struct{}, 8), make(chan struct{})}
	h := sip.Routed(r, sip.Trunk{Host: "carrier.test"})
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Open(impatient, callTo(callee))
	require.ErrorIs(t, err, context.Canceled)
	opened := make(chan error, 2)
	for range 2 {
		go func() {
			s, err := h.Open(t.Context(), callTo(callee))
			if err == nil {
				err = s.Close()
			}
			opened <- err
		}()
	}
	close(r.tell)
	require.NoError(t, <-opened)
	require.NoError(t, <-opened)
	require.Len(t, r.asked, 1)
}

// Where the first trunk has no address, the next one shows which one of ours is meant.
func TestTheAddressForMediaByTheNextTrunk(t *testing.T) {
	t.Parallel()
	h := sip.Routed(zone{"b.test": "127.0.0.1"}, sip.Trunk{Host: "a.test"}, sip.Trunk{Host: "b.test"})
	s, err := h.Open(t.Context(), callTo(callee))
	require.NoError(t, err)
	offer, err := s.Offer()
	require.NoError(t, err)
	require.Contains(t, string(offer), "c=IN IP4 127.0.0.1")
	require.NoError(t, s.Close())
}

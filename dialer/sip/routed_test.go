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

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
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
		Media: sip.Routed(sip.Trunk{Host: "carrier.test"}, noNames{}),
	})
	_, err := d.Dial(t.Context(), callTo(callee), func(dialer.Progress) {})
	var unavailable *dialer.UnavailableError
	require.ErrorAs(t, err, &unavailable)
	require.ErrorContains(t, err, "no such host")
}

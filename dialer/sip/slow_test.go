package sip_test

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/sip"
)

// Nobody is called when there is nobody any more to talk to, or no time to ring, once the connection is open.
func TestConnectionThatOpensTooLate(t *testing.T) {
	t.Parallel()
	for name, agentLeaves := range map[string]bool{"the agent has left": true, "the time to ring has passed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &studio{left: make(chan struct{})}
			call := callTo(callee)
			if !agentLeaves {
				call.RingTimeout = 5 * t1
			}
			p := newPeer(t, "tls", answers)
			certificate := serverTLS(t).Certificates[0]
			p.tls.Store(&tls.Config{
				MinVersion: tls.VersionTLS12,
				GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
					if agentLeaves {
						close(s.left)
						return &certificate, nil
					}
					<-time.After(2 * call.RingTimeout)
					return &certificate, nil
				},
			})
			d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunkTo(p)}, Media: s})
			unavailable := unavailability(t, begin(t, d, call).over().err)
			require.Equal(t, agentLeaves, unavailable.AgentOnly)
			require.Zero(t, p.placed())
		})
	}
}

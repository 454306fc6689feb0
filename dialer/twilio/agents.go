package twilio

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/coder/websocket"

	"github.com/outdial/outdial/dialer"
)

// agents knows which agents could not be reached when somebody had answered. An agent is connected to at that
// moment only, so without this everybody in a batch would answer to silence while it is down. It is safe for
// concurrent use.
type agents struct {
	mu   sync.Mutex
	lost map[string]bool // by URL
}

func (a *agents) note(address string, isLost bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !isLost {
		delete(a.lost, address)
		return
	}
	if a.lost == nil {
		a.lost = map[string]bool{}
	}
	a.lost[address] = true
}

func (a *agents) isLost(address string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lost[address]
}

// tryAgent connects to an agent that could not be reached the last time. An agent sees of it what it sees of a SIP
// call that is not answered.
func (d *Dialer) tryAgent(ctx context.Context, call dialer.Call) error {
	if d.config.Stream == Direct || !d.agents.isLost(call.Agent.URL) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, d.config.Agent.ConnectTimeout)
	defer cancel()
	conn, err := d.config.Agent.dial(ctx, call)
	if err != nil {
		return err
	}
	d.agents.note(call.Agent.URL, false)
	part(ctx, conn, websocket.StatusNormalClosure)
	return nil
}

// dial opens the connection to an agent. The error never has its URL.
func (a Agent) dial(ctx context.Context, call dialer.Call) (*websocket.Conn, error) {
	//nolint:bodyclose // there is no need to, says Dial
	conn, response, err := websocket.Dial(ctx, call.Agent.URL, &websocket.DialOptions{
		HTTPClient: a.HTTPClient, HTTPHeader: a.header(call),
	})
	switch {
	case err != nil && response != nil:
		return nil, fmt.Errorf("connecting to the agent: it answered with status %d", response.StatusCode)
	case err != nil:
		return nil, fmt.Errorf("connecting to the agent: %w", withoutURL(err))
	}
	return conn, nil
}

func (a Agent) header(call dialer.Call) http.Header {
	header := http.Header{}
	if a.Header != nil {
		for name, values := range a.Header(call) {
			header[http.CanonicalHeaderKey(name)] = values
		}
	}
	if a.Token != "" {
		header.Set("Authorization", "Bearer "+a.Token)
	}
	return header
}

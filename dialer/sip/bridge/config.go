package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

// Config is how agents are connected to. The zero value is usable.
type Config struct {
	// Token is sent as a bearer token with the request that opens the WebSocket. Empty: none.
	Token string

	// Header returns what else to send with it. It may be called by many goroutines at
	// once. Nil: nothing.
	Header func(call dialer.Call) http.Header

	// HTTPClient opens the connection. Nil: one with the system's certificates and proxy.
	HTTPClient *http.Client

	// ConnectTimeout is how long an agent may take to accept. Zero: 5 s.
	ConnectTimeout time.Duration

	// PingEvery is how often the connection is tried, with as much time for the answer.
	// Zero: 10 s. Negative: never.
	PingEvery time.Duration

	// Farewell is how long what an agent has sent is played once it has hung up. Zero: 30 s.
	Farewell time.Duration

	// MaxBacklog is how much audio an agent may send ahead of what is played; more ends
	// the call as an error. Zero: 10 minutes, which are 4.8 MB.
	MaxBacklog time.Duration

	// Logger is told of connections that are lost before they are needed, and of messages that are
	// passed over. Nil: nobody is.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	const (
		connect  = 5 * time.Second
		ping     = 10 * time.Second
		farewell = 30 * time.Second
		backlog  = 10 * time.Minute
	)
	for _, d := range []struct {
		is   *time.Duration
		zero time.Duration
	}{
		{&c.ConnectTimeout, connect}, {&c.PingEvery, ping}, {&c.Farewell, farewell}, {&c.MaxBacklog, backlog},
	} {
		if *d.is == 0 {
			*d.is = d.zero
		}
	}
	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSHandshakeTimeout: c.ConnectTimeout,
			DisableKeepAlives:   true, // a refused connection is of no use to the next call
		}}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// WebSocket returns an agent whose conversations take place over a WebSocket to the URL of
// the call's agent.
func WebSocket(c Config) media.Agent { return &agent{config: c.withDefaults()} }

type agent struct{ config Config }

// Ready connects and says so. The error never has the URL, which may hold a secret.
func (a *agent) Ready(ctx context.Context, call dialer.Call) (media.Conversation, error) {
	if err := check(call.Agent.URL); err != nil {
		return nil, err
	}
	s, err := a.connect(ctx, call)
	if err != nil {
		return nil, err
	}
	return newConversation(ctx, a, call, s), nil
}

func check(address string) error {
	if address == "" {
		return errors.New("the agent has no URL")
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return errors.New("the agent's URL cannot be read")
	case u.Scheme != "ws" && u.Scheme != "wss":
		return fmt.Errorf("the agent's URL begins with %.20q: expected ws or wss", u.Scheme)
	case u.Host == "":
		return errors.New("the agent's URL has no host")
	}
	return nil
}

func (a *agent) header(call dialer.Call) http.Header {
	header := http.Header{}
	if a.config.Header != nil {
		for name, values := range a.config.Header(call) {
			header[http.CanonicalHeaderKey(name)] = values
		}
	}
	if a.config.Token != "" {
		header.Set("Authorization", "Bearer "+a.config.Token)
	}
	return header
}

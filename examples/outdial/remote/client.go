package remote

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Unknown is the Unplaced of fsm.Counts where the server did not tell.
const Unknown = -1

// The defaults of [Config].
const (
	DefaultAnswerTimeout = time.Minute
	DefaultIdleTimeout   = time.Minute
	DefaultPatience      = 5 * time.Minute
)

// Config is what New makes a client from. URL and Key are required.
type Config struct {
	// URL is where the server is: http://127.0.0.1:8080, or with the path that the contract is
	// mounted under. It holds no secret, since errors show it.
	URL string

	// Key is an API key of the organisation. Errors never show it.
	Key string

	// AnswerTimeout is how long the server may take until it begins to answer.
	// 0: DefaultAnswerTimeout.
	AnswerTimeout time.Duration

	// IdleTimeout is how long nothing may come in the middle of an answer, events included: the
	// server sends them a heartbeat. 0: DefaultIdleTimeout.
	IdleTimeout time.Duration

	// Patience is for how long Watch tries to get through to the server again.
	// 0: DefaultPatience.
	Patience time.Duration
}

// Client speaks to one server for one organisation. It is safe for concurrent use. Close it in the end.
type Client struct {
	cfg   Config
	base  *url.URL
	http  *http.Client
	pause time.Duration // before the first repetition
}

// New makes a client. Nothing is sent yet.
func New(cfg Config) (*Client, error) {
	base, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if cfg.Key == "" || strings.ContainsFunc(cfg.Key, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, errors.New("expected an API key of visible ASCII characters")
	}
	cfg.AnswerTimeout = cmp.Or(cfg.AnswerTimeout, DefaultAnswerTimeout)
	cfg.IdleTimeout = cmp.Or(cfg.IdleTimeout, DefaultIdleTimeout)
	cfg.Patience = cmp.Or(cfg.Patience, DefaultPatience)
	return &Client{cfg: cfg, base: base, pause: firstPause, http: &http.Client{
		Transport: transport(cfg),
		// It would take the key to wherever the answer points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close gives up the connections that are not in use.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

func transport(cfg Config) *http.Transport {
	const connect = 10 * time.Second
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: connect}).DialContext,
		TLSHandshakeTimeout:   connect,
		ResponseHeaderTimeout: cfg.AnswerTimeout,
		IdleConnTimeout:       DefaultIdleTimeout,
		ForceAttemptHTTP2:     true,
	}
}

// parseURL never repeats the URL in an error: there may be a secret in one that is wrong.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, errors.New("expected the URL of a server, such as http://127.0.0.1:8080")
	case u.User != nil:
		return nil, errors.New("expected a URL without a user or password: the key says who asks")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("expected a URL without ? or #")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// at is the URL of a path. Its segments may hold anything.
func (c *Client) at(q url.Values, segments ...string) *url.URL {
	u := c.base.JoinPath("agents", "calls")
	for _, s := range segments {
		u.RawPath = u.EscapedPath() + "/" + url.PathEscape(s)
		u.Path += "/" + s
	}
	u.RawQuery = q.Encode()
	return u
}

// unreachable tells that the server could not be asked, without the path and the query.
func (c *Client) unreachable(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	return fmt.Errorf("the server %s://%s cannot be reached: %w", c.base.Scheme, c.base.Host, err)
}

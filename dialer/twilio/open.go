package twilio

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/outdial/outdial/dialer"
)

// The scheme is registered here so that importing the package is all that a host does.
func init() { dialer.Register("twilio", open) }

func open(u *url.URL) (dialer.Dialer, error) {
	config, err := parse(u)
	if err != nil {
		return nil, err
	}
	return New(config)
}

// parse reads a URL as the package comment describes it.
func parse(u *url.URL) (Config, error) {
	if u.Opaque != "" || (u.Path != "" && u.Path != "/") || u.Host != "" || u.User == nil {
		return Config{}, errors.New("expected twilio://ACCOUNT:TOKEN@?..., without host and path")
	}
	p := dialer.ParseParams(u)
	token, _ := u.User.Password()
	config := Config{
		AccountSID: u.User.Username(), AuthToken: token,
		APIKey: p.String("key", ""), APISecret: p.String("secret", ""),
		Edge: p.String("edge", ""), Region: p.String("region", ""),
		BaseURL: p.String("base", ""), PublicURL: p.String("public", ""),
		Stream:      Stream(p.String("stream", "")),
		LongestCall: p.Duration("longest_call", 0),
		Limits:      p.Limits(),
		Timing:      Timing{Queue: p.Duration("queue_timeout", 0)},
		Agent:       Agent{Token: p.String("agent_token", "")},
		Logger:      slog.Default(), //nolint:forbidigo // a URL has no other way to say who is told
	}
	if old := p.String("old_token", ""); old != "" {
		config.OldAuthTokens = []string{old}
	}
	machines, insecure := p.String("amd", ""), p.String("insecure", "")
	if err := p.Err(); err != nil {
		return Config{}, err
	}
	return config.withWords(machines, insecure)
}

// withWords sets what a URL spells as one of a few words.
func (c Config) withWords(machines, insecure string) (Config, error) {
	switch machines {
	case "":
	case "enable":
		c.Machines = Detect
	case "message_end":
		c.Machines = DetectMessageEnd
	default:
		return Config{}, fmt.Errorf("parameter amd=%.40q: expected enable or message_end", machines)
	}
	switch insecure {
	case "":
	case "loopback":
		c.InsecureLoopback = true
	default:
		return Config{}, fmt.Errorf("parameter insecure=%.40q: expected loopback", insecure)
	}
	return c, nil
}

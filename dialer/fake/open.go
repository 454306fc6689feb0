package fake

import (
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
)

const (
	defaultRing = 3 * time.Second
	defaultTalk = 45 * time.Second
)

// The scheme is registered here so that importing the package is all that a host does.
func init() { dialer.Register("fake", open) }

func open(u *url.URL) (dialer.Dialer, error) {
	if u.Port() != "" {
		return openRemote(u)
	}
	config, resume, err := parse(u)
	if err != nil {
		return nil, err
	}
	c, err := New(config)
	if err != nil {
		return nil, err
	}
	if resume {
		return c.Dialer(), nil
	}
	return c.WithoutResume(), nil
}

// openRemote is for a carrier that another process serves.
func openRemote(u *url.URL) (dialer.Dialer, error) {
	if u.Opaque != "" || (u.Path != "" && u.Path != "/") || u.User != nil || u.Hostname() == "" {
		return nil, errors.New("expected fake://HOST:PORT?..., without path and user")
	}
	p := dialer.ParseParams(u)
	limits := p.Limits()
	if err := p.Err(); err != nil {
		return nil, err
	}
	return Remote(u.Host, limits), nil
}

// parse reads a URL as the package comment describes it, and says whether calls are to be
// resumable.
func parse(u *url.URL) (Config, bool, error) {
	if u.Opaque != "" || (u.Path != "" && u.Path != "/") || u.User != nil {
		return Config{}, false, errors.New(
			"expected fake://?..., or fake://NAME?... with the trunk's name, without path and user")
	}
	p := dialer.ParseParams(u)
	config := Config{
		Trunk:       u.Hostname(),
		Seed:        p.Uint64("seed", 0),
		Shares:      parseShares(p, u.Query()),
		Unavailable: p.Float("unavailable", 0, 1),
		Ring:        p.Duration("ring", defaultRing),
		Talk:        p.Duration("talk", defaultTalk),
		Speed:       p.Float("speed", 1, mostSpeed),
		Limits:      p.Limits(),
		BooksFile:   p.String("books", ""),
	}
	resume := p.Bool("resume", true)
	if err := p.Err(); err != nil {
		return Config{}, false, err
	}
	return config, resume, speedIsPositive(config)
}

// In a Config, speed 0 means 1; in a URL, somebody wrote it.
func speedIsPositive(c Config) error {
	if c.Speed == 0 {
		return errors.New("parameter speed=0: expected more than 0")
	}
	return nil
}

// parseShares gives the default only where the URL has none of the shares: answer=0 alone
// means that nobody answers.
func parseShares(p *dialer.Params, given url.Values) Shares {
	s := Shares{
		Answer:   p.Float("answer", 0, 1),
		Busy:     p.Float("busy", 0, 1),
		NoAnswer: p.Float("no_answer", 0, 1),
		Failed:   p.Float("failed", 0, 1),
		Refused:  p.Float("refused", 0, 1),
	}
	names := []string{"answer", "busy", "no_answer", "failed", "refused"}
	if s == (Shares{}) && slices.ContainsFunc(names, given.Has) {
		s.NoAnswer = 1
	}
	return s
}

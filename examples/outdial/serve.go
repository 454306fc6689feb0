package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/outdial/outdial/batch"
)

//nolint:lll,tagalign // a tag cannot be broken over lines
type serveCmd struct {
	Listen  string  `group:"The server:" default:"127.0.0.1:8080" help:"Where to listen (default: 127.0.0.1:8080)." placeholder:"ADDRESS"`
	TLSCert string  `group:"The server:" help:"Serve TLS with the certificates of this PEM file." placeholder:"FILE" type:"path"`
	TLSKey  string  `group:"The server:" help:"The private key of the certificate." placeholder:"FILE" type:"path"`
	Rate    float64 `group:"The server:" help:"The requests a second that one API key may make on average (default: no limit)." placeholder:"N"`
	Burst   int     `group:"The server:" help:"The requests that it may make at once (default: as many as in a second)." placeholder:"N"`
	MaxBody int64   `group:"The server:" help:"The most bytes of a request's body (default: 32 MiB)." placeholder:"BYTES"`

	Notice time.Duration `group:"Stopping:" help:"How long to go on answering while /readyz says no already, so that whoever sends requests here can take notice (default: 0s)." placeholder:"TIME"`
	Finish time.Duration `group:"Stopping:" default:"10s" help:"How long requests may take to be answered after that (default: 10s)." placeholder:"TIME"`
	Drain  time.Duration `group:"Stopping:" default:"30s" help:"How long calls in progress may take to end, all told; then they are hung up (default: 30s)." placeholder:"TIME" aliases:"drain-timeout"`

	Lease time.Duration `group:"Several processes over one PostgreSQL database:" default:"10s" help:"How long after this one's last sign of life the others take its calls over (default: 10s)." placeholder:"TIME"`

	NodeURL string `group:"Several processes over one PostgreSQL database:" help:"Where the others reach this one, such as http://10.0.0.5:8080, to pass on what a carrier sends to the wrong one (default: the address of --listen, unless that is every address of the machine, or with TLS)." placeholder:"URL"`

	Log string `group:"Telling:" default:"text" enum:"text,json" help:"How to write the log to the standard error output: text or json (default: text)." placeholder:"FORMAT"`
}

// Run serves until a signal comes.
func (c *serveCmd) Run(ctx context.Context, a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	certificate, err := c.certificate()
	if err != nil {
		return err
	}
	d, err := a.database()
	if err != nil {
		return err
	}
	logger := c.logger(a)
	a.logAll(logger)
	conf, err := a.openConfig()
	if err != nil {
		return err
	}
	keys, key, err := a.keys(conf.Config())
	if err != nil {
		return first(err, conf.Close())
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return first(fmt.Errorf("it cannot listen at %s: %w", c.Listen, err), conf.Close())
	}
	l, err := openLocal(ctx, d, conf, logger, times{drain: c.drain(), lease: c.Lease})
	if err != nil {
		return first(err, listener.Close())
	}
	l.store.reachedAt(nodeURL(c.NodeURL, listener.Addr(), certificate != nil))
	s := &serving{cmd: c, app: a, config: conf, database: d, local: l, listener: listener, certificate: certificate}
	if err := s.prepare(keys); err != nil { //nolint:contextcheck // the requests bring their own
		return first(err, errors.Join(listener.Close(), l.Close()))
	}
	if key != "" {
		a.print("%s%s\n", keyLine, key)
	}
	return first(s.run(ctx), l.Close())
}

func (c *serveCmd) check() error {
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return usagef("--tls-cert and --tls-key go together")
	case c.Rate < 0 || c.Burst < 0 || c.MaxBody < 0:
		return usagef("--rate, --burst and --max-body: expected at least 0")
	case c.Lease < minLease:
		return usagef("--lease: expected at least %v", minLease)
	case c.Notice < 0 || c.Finish < 0 || c.Drain < 0:
		return usagef("--notice, --finish and --drain: expected at least 0s")
	case c.NodeURL != "":
		return checkNodeURL(c.NodeURL)
	}
	return nil
}

// minLease is the engine's.
const minLease = 100 * time.Millisecond

// certificate is nil without TLS.
func (c *serveCmd) certificate() (*tls.Certificate, error) {
	if c.TLSCert == "" {
		return nil, nil //nolint:nilnil // as the comment says
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, usagef("--tls-cert and --tls-key: %w", err)
	}
	return &pair, nil
}

// logger writes what happens. What it is given has no whole numbers.
func (c *serveCmd) logger(a *app) *slog.Logger {
	o := &slog.HandlerOptions{}
	if a.cli.Verbose {
		o.Level = slog.LevelDebug
	}
	if c.Log == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, o))
	}
	return slog.New(slog.NewTextHandler(a.stderr, o))
}

// drain is how long calls may take to end, as the engine has it.
func (c *serveCmd) drain() time.Duration {
	if c.Drain == 0 {
		return batch.NoDrain
	}
	return c.Drain
}

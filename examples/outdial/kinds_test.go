package main

import (
	"context"
	"errors"
	"net/url"

	"github.com/outdial/outdial/dialer"
)

// registerKinds adds carrier kinds of these tests, which the program has not.
func registerKinds() {
	dialer.Register("called-back", openCalledBack)
	dialer.Register("probed", func(u *url.URL) (dialer.Dialer, error) {
		return probed{name: u.Hostname(), closed: make(chan struct{})}, nil
	})
}

// probed is a carrier that can be probed, and cannot be dialled over.
type probed struct {
	dialer.Dialer

	name   string
	closed chan struct{}
}

func (p probed) Probe(ctx context.Context) error {
	switch p.name {
	case "slow":
		<-ctx.Done()
		return ctx.Err()
	case "deaf": // to the end of ctx
		<-p.closed
	}
	return errors.New("401 Unauthorized")
}

func (p probed) Close() error {
	close(p.closed)
	return nil
}

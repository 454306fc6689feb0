package sip

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	msg "github.com/emiago/sipgo/sip"
)

// Probe implements [dialer.Prober]: it sends an OPTIONS to every server of every trunk, with credentials if it
// is challenged, and returns nil as soon as one has answered that does not refuse us. Otherwise the error
// says for each server what became of it: that it is silent, refuses connections, the credentials or the
// request, or says 503. Credentials that were refused are not brought again before Trunk.AuthRest is over. Whether a
// server that challenges INVITEs only takes the credentials is not found out.
// It takes up to 32 seconds.
func (d *Dialer) Probe(ctx context.Context) error {
	done := d.work.begin()
	if done == nil {
		return errClosed
	}
	defer done()
	ctx, cancel := context.WithTimeoutCause(ctx, transactionTime(), errSilence)
	defer cancel()
	stop := d.work.onClose(cancel)
	defer stop()
	var p probe
	var all sync.WaitGroup
	for _, t := range d.trunks {
		hops, err := t.hops(ctx)
		if err != nil {
			p.note(fmt.Errorf("%s: %w", t.Name, err))
		}
		for _, h := range hops {
			all.Go(func() {
				if err := d.probe(ctx, t, h); err != nil {
					p.note(fmt.Errorf("%s, %s: %w", t.Name, h.remote, err))
					return
				}
				p.succeed()
				cancel()
			})
		}
	}
	all.Wait()
	return p.result()
}

// probe is what was found out so far. It is safe for concurrent use.
type probe struct {
	mu     sync.Mutex
	good   bool
	errors []error
}

func (p *probe) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errors = append(p.errors, err)
}

func (p *probe) succeed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.good = true
}

func (p *probe) result() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.good {
		return nil
	}
	return errors.Join(p.errors...)
}

// probe asks one server.
func (d *Dialer) probe(ctx context.Context, t *trunk, h hop) error {
	res, _, _, err := d.options(ctx, t, h, t.credentials())
	if err != nil {
		return err
	}
	t.heard(h.remote)
	said := strconv.Itoa(res.StatusCode) + " " + printable(res.Reason)
	switch code := res.StatusCode; {
	case isChallenge(res) && t.User == "":
		return fmt.Errorf("it asks for a user and a secret: %s", said)
	case isChallenge(res):
		return fmt.Errorf("it does not take the user and the secret: %s", said)
	case code == msg.StatusForbidden, code == msg.StatusServiceUnavailable, code == msg.StatusGlobalDecline:
		return fmt.Errorf("it refuses: %s", said)
	}
	return nil
}

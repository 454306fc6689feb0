package fake

import (
	"context"
	"io"
	"time"

	"github.com/outdial/outdial/dialer"
)

var (
	_ dialer.Resumer = resumable{}
	_ dialer.Limiter = resumable{}
	_ dialer.Prober  = resumable{}
	_ io.Closer      = resumable{}
	_ dialer.Limiter = plain{}
	_ dialer.Prober  = plain{}
	_ io.Closer      = plain{}
)

// Dialer returns a dialer over the carrier that is a dialer.Resumer and a dialer.Limiter
// too. The carrier keeps calls that were let go of with ErrDetached, and knows those
// that are over for a while (Config.Remember). Calls of a process that is gone are
// unknown: they ended with it.
func (c *Carrier) Dialer() dialer.Dialer { return resumable{plain{c}} }

// WithoutResume returns a dialer over the carrier that is a dialer.Limiter but no
// dialer.Resumer.
func (c *Carrier) WithoutResume() dialer.Dialer { return plain{c} }

type plain struct{ carrier *Carrier }

func (p plain) Dial(
	ctx context.Context, call dialer.Call, report func(dialer.Progress),
) (dialer.Outcome, error) {
	return p.carrier.dial(ctx, call, report, false)
}

func (p plain) Limits() dialer.Limits { return p.carrier.config.Limits }

// Probe implements dialer.Prober: the carrier takes calls unless it is closed or rests.
func (p plain) Probe(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.carrier.mu.Lock()
	defer p.carrier.mu.Unlock()
	return p.carrier.takesNone(time.Now())
}

// Close is for those who opened the dialer by URL and have no Carrier.
func (p plain) Close() error { return p.carrier.Close() }

type resumable struct{ plain }

func (r resumable) Dial(
	ctx context.Context, call dialer.Call, report func(dialer.Progress),
) (dialer.Outcome, error) {
	return r.carrier.dial(ctx, call, report, true)
}

func (r resumable) Resume(
	ctx context.Context, call dialer.Call, report func(dialer.Progress),
) (dialer.Outcome, error) {
	return r.carrier.resume(ctx, call, report)
}

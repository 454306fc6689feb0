package sip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

// closePatience is how long Close waits for answers to the last requests.
const closePatience = 2 * time.Second

var (
	_ dialer.Dialer  = (*Dialer)(nil)
	_ dialer.Limiter = (*Dialer)(nil)
	_ dialer.Prober  = (*Dialer)(nil)
	_ io.Closer      = (*Dialer)(nil)
)

// Dialer places calls over its trunks. It is no [dialer.Resumer]: a call over SIP ends with the
// process that placed it. It is safe for concurrent use.
type Dialer struct {
	config  Config
	trunks  []*trunk
	media   media.Handler
	quiet   *silence // the media, where there is none
	log     *slog.Logger
	peers   *peers
	stack   *stack
	flows   *flows
	work    *work
	book    *book
	bounces sync.Map      // what to do where a request reached nobody: functions by branch
	second  time.Duration // a second of RFC 4028 and of Retry-After, shorter in tests
}

// New opens the local port, or shares it with a dialer that has it already, and returns a dialer over the trunks. No
// trunk is spoken to before the first call, but to ask whether it is there (Trunk.KeepAlive). The caller closes it.
func New(config Config) (*Dialer, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	host, port, err := splitAdvertised(config.Advertise)
	if err != nil {
		return nil, err
	}
	allowed := newPeers(config.Trunks, config.Logger)
	d := &Dialer{
		config: config, media: config.Media, log: config.Logger, peers: allowed, work: newWork(), book: newBook(),
		second: time.Second,
	}
	if err := d.fallSilent(); err != nil {
		return nil, err
	}
	if d.stack, err = stackAt(config.Listen); err != nil {
		return nil, errors.Join(err, d.endSilence())
	}
	d.flows = newFlows(d.stack, d.work, host, port)
	for _, t := range config.Trunks {
		d.trunks = append(d.trunks, newTrunk(t, config.Resolver, allowed))
	}
	d.stack.dialers.add(d)
	d.keepAlive()
	d.work.background(d.tidyFlows)
	return d, nil
}

// fallSilent puts something in the place of a media handler that is not there.
func (d *Dialer) fallSilent() (err error) {
	if d.media != nil {
		return nil
	}
	if d.quiet, err = newSilence(); err != nil {
		return err
	}
	d.media = d.quiet
	return nil
}

func (d *Dialer) endSilence() error {
	if d.quiet == nil {
		return nil
	}
	return d.quiet.Close()
}

// Dial implements [dialer.Dialer].
func (d *Dialer) Dial(
	ctx context.Context, in dialer.Call, report func(dialer.Progress),
) (dialer.Outcome, error) {
	if ctx.Err() != nil {
		return dialer.Outcome{Reason: dialer.HangUpReason(ctx, false), EndedAt: time.Now()}, nil
	}
	done := d.work.begin()
	if done == nil {
		return dialer.Outcome{}, fmt.Errorf("%w: %w", dialer.ErrNotPlaced, errClosed)
	}
	defer done()
	c, err := d.newCall(in, report)
	if err != nil {
		return dialer.Outcome{}, fmt.Errorf("%w: %w", dialer.ErrNotPlaced, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := d.work.onClose(func() { cancel(errClosed) })
	defer stop()
	return c.run(ctx)
}

// Limits implements [dialer.Limiter].
func (d *Dialer) Limits() dialer.Limits { return d.config.Limits }

// Addr is the local address, of UDP and TCP alike.
func (d *Dialer) Addr() net.Addr { return d.stack.socket.LocalAddr() }

// Close hangs up every call, with the reason api_cancelled, and waits until Dial has returned
// for each. What is left in the background may take 2 seconds more, then it is
// ended. Calls after that are not placed.
func (d *Dialer) Close() error {
	if !d.work.close(closePatience) {
		return nil
	}
	err := d.stack.leave(d)
	d.book.close()
	return errors.Join(err, d.endSilence())
}

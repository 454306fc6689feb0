package sip

import (
	"context"
	"net/netip"
	"time"

	msg "github.com/emiago/sipgo/sip"
)

// keepAlive begins to ask the trunks whether they are there.
func (d *Dialer) keepAlive() {
	for _, t := range d.trunks {
		if t.KeepAlive > 0 {
			d.work.background(func(ctx context.Context) { d.watch(ctx, t) })
		}
	}
}

func (d *Dialer) watch(ctx context.Context, t *trunk) {
	ticker := time.NewTicker(t.KeepAlive)
	defer ticker.Stop()
	for {
		d.ask(ctx, t)
		select {
		case <-ticker.C:
		case <-d.work.calls.Done():
			return
		}
	}
}

// ask sends an OPTIONS to each server of the trunk.
func (d *Dialer) ask(ctx context.Context, t *trunk) {
	hops, err := t.hops(ctx)
	if err != nil {
		return
	}
	for _, h := range hops {
		answered, certain := d.isThere(ctx, t, h)
		if d.work.calls.Err() != nil {
			return
		}
		if t.answered(h.remote, answered, certain) {
			d.log.Info("a server of a SIP trunk came or went",
				"trunk", t.Name, "server", h.remote.String(), "is_there", answered)
		}
	}
}

// isThere says whether the server answers, and where it does not, whether that is certain. A connection
// on which a server is silent that has answered before is taken for one that only this side still knows of,
// and another one is opened.
func (d *Dialer) isThere(ctx context.Context, t *trunk, h hop) (answered, certain bool) {
	for range 2 {
		answered, certain, stale := d.isThereBy(ctx, t, h)
		if answered || !stale || d.work.calls.Err() != nil {
			return answered, certain
		}
	}
	return false, false
}

func (d *Dialer) isThereBy(ctx context.Context, t *trunk, h hop) (answered, certain, stale bool) {
	ctx, cancel := context.WithTimeout(ctx, t.keepAlivePatience())
	defer cancel()
	stop := d.work.onClose(cancel)
	defer stop()
	res, f, sent, err := d.options(ctx, t, h, &credentials{})
	if err == nil {
		return res.StatusCode != msg.StatusServiceUnavailable, false, false
	}
	if f == nil || isCertain(err) {
		return false, isCertain(err), false
	}
	return false, false, d.work.calls.Err() == nil && t.hasAnswered(h.remote) && f.cutIfSilent(sent)
}

// keepAlivePatience is how long a server may take for an OPTIONS. One that is asked more often than that has a while
// all the same: it costs a connection that calls may be on.
func (t *trunk) keepAlivePatience() time.Duration {
	least := 8 * msg.T1 //nolint:mnd // over UDP it has been sent four times by then
	return max(least, min(t.KeepAlive, transactionTime()))
}

func (t *trunk) hasAnswered(remote netip.AddrPort) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state(remote).answers
}

// answered notes whether the server answered, and says whether that is news. One that never did may
// not know OPTIONS, so only who did before, or refuses connections, is taken for dead.
func (t *trunk) answered(remote netip.AddrPort, yes, certain bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state(remote)
	was := s.dead
	s.dead = !yes && (s.answers || certain)
	if yes {
		s.answers, s.heard, s.silences = true, time.Now(), 0
		s.isThere()
	}
	return was != s.dead
}

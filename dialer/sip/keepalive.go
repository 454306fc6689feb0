package sip

import (
	"context"
	"errors"
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
		answered, certain := d.options(ctx, t, h)
		if d.work.calls.Err() != nil {
			return
		}
		if t.answered(h.remote, answered, certain) {
			d.log.Info("a server of a SIP trunk came or went",
				"trunk", t.Name, "server", h.remote.String(), "is_there", answered)
		}
	}
}

// options says whether the server answers, and where it does not, whether that is certain.
func (d *Dialer) options(ctx context.Context, t *trunk, h hop) (answered, certain bool) {
	ctx, cancel := context.WithTimeout(ctx, min(t.KeepAlive, transactionTime()))
	defer cancel()
	stop := d.work.onClose(cancel)
	defer stop()
	f, err := d.flows.to(ctx, h)
	if err != nil {
		return false, ctx.Err() == nil // nobody listens there
	}
	req := msg.NewRequest(msg.OPTIONS, msg.Uri{Scheme: scheme(t.Secure), Host: t.Domain})
	req.AppendHeader(f.via())
	req.AppendHeader(maxForwards())
	self := msg.Uri{Scheme: scheme(t.Secure), Host: f.host}
	from := &msg.FromHeader{Address: self}
	from.Params.Add("tag", token())
	req.AppendHeader(from)
	req.AppendHeader(&msg.ToHeader{Address: req.Recipient})
	id := msg.CallIDHeader(token())
	req.AppendHeader(&id)
	req.AppendHeader(&msg.CSeqHeader{SeqNo: 1, MethodName: msg.OPTIONS})
	req.AppendHeader(f.contact("", t.Secure))
	req.AppendHeader(msg.NewHeader("User-Agent", d.config.UserAgent))
	req.SetBody(nil)
	res, err := d.stack.transact(ctx, f, req)
	if err != nil {
		return false, errors.Is(err, errLost)
	}
	return res.StatusCode != msg.StatusServiceUnavailable, false
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
		s.answers = true
		s.isThere()
	}
	return was != s.dead
}

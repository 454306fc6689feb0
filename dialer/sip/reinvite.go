package sip

import (
	"context"
	"errors"
	"time"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer/sip/media"
)

// errBusy: an offer is under way already (RFC 3264, section 4).
var errBusy = errors.New("an offer is under way")

// claim makes the caller the one whose offer is under way. It waits a little for an ACK that is
// read behind the request after it.
func (g *dialog) claim() error {
	const brief = 100 * time.Millisecond
	timer := time.NewTimer(brief)
	defer timer.Stop()
	if g.isOver() {
		return errOver
	}
	select {
	case g.offering <- struct{}{}:
		return nil
	case <-g.ended:
		return errOver
	case <-timer.C:
		return errBusy
	}
}

func (g *dialog) unclaim() { <-g.offering }

// reinvite sends a re-INVITE with an offer, again if it is challenged, and returns the final response.
func (g *dialog) reinvite(ctx context.Context) (*msg.Response, error) {
	if err := g.claim(); err != nil {
		return nil, err
	}
	defer g.unclaim()
	var offer []byte
	err := g.c.withSession(func(s media.Session) (err error) {
		offer, err = s.Offer()
		return err
	})
	if err != nil {
		return nil, errOver
	}
	p := proof{g: g}
	defer p.end()
	for {
		res, err := g.reinviteOnce(ctx, offer, &p)
		if err != nil || !p.again(ctx, res) {
			return res, err
		}
	}
}

func (g *dialog) reinviteOnce(ctx context.Context, offer []byte, p *proof) (*msg.Response, error) {
	req, f, err := g.request(ctx, msg.INVITE)
	if err != nil {
		return nil, err
	}
	req.AppendHeader(g.c.contact(g.t, f))
	req.AppendHeader(msg.NewHeader("Allow", allowed))
	req.AppendHeader(msg.NewHeader("Supported", "timer"))
	askFor(req, g.c.timer.interval(), 0, "uac")
	setSDP(req, offer)
	if err := p.apply(req); err != nil {
		return nil, err
	}
	f = g.enlarge(ctx, req, f)
	inv := &invite{
		c: g.c, t: g.t, hop: g.hopTo(f.transport, f.remote, g.t.host), flow: f, req: req, cred: g.cred, re: g,
	}
	if err := inv.send(ctx); err != nil {
		return nil, err
	}
	return g.awaitAnswer(ctx, inv)
}

// enlarge moves a re-INVITE to TCP that is too large for UDP, where there is TCP: see the one for INVITEs.
func (g *dialog) enlarge(ctx context.Context, req *msg.Request, f *flow) *flow {
	if f.transport != UDP || g.t.LargeOverUDP || len(wire(req)) <= largest || g.t.hasNoTCP(f.remote) {
		return f
	}
	const patience = time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tcp, err := g.c.d.flows.to(ctx, g.hopTo(TCP, f.remote, g.t.host))
	if err != nil {
		return f
	}
	req.ReplaceHeader(tcp.via())
	req.ReplaceHeader(g.c.contact(g.t, tcp))
	tcp.carry(req)
	return tcp
}

// awaitAnswer follows a re-INVITE to its final response, for at most 64*T1.
func (g *dialog) awaitAnswer(ctx context.Context, inv *invite) (*msg.Response, error) {
	limit := time.NewTimer(transactionTime())
	defer limit.Stop()
	for {
		select {
		case res := <-inv.tx.Responses():
			switch {
			case res.IsProvisional():
				inv.provisional()
				continue
			case res.IsSuccess():
				return res, g.agree(ctx, inv, res)
			}
			inv.refused()
			return res, nil
		case <-inv.tx.Done():
			return nil, errSilence
		case <-limit.C:
			inv.giveUp()
			return nil, errSilence
		case <-ctx.Done():
			inv.giveUp()
			return nil, errOver
		case <-inv.flow.gone: // what comes for it now comes by another connection
			inv.giveUp()
			return nil, errLost
		}
	}
}

// agree takes the answer to a re-INVITE.
func (g *dialog) agree(ctx context.Context, inv *invite, res *msg.Response) error {
	inv.choose(res)
	g.mu.Lock()
	g.retarget(res)
	g.mu.Unlock()
	g.acknowledge(ctx, inv)
	finish(inv.tx)
	sdp := descriptionOf(res)
	if sdp == nil {
		return nil // some mean by it that all stays as it is
	}
	err := g.c.withSession(func(s media.Session) error { return s.Answer(sdp, false) })
	if err != nil && !errors.Is(err, errOver) {
		g.c.end(unusable(err))
		return errOver
	}
	return nil
}

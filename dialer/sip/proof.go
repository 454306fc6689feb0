package sip

import (
	"context"

	msg "github.com/emiago/sipgo/sip"
)

// proof is what a request in a dialog has to do with credentials. The password may have been changed since the call was
// let in, and every BYE that brings an old one is an attempt at an account that may be locked for it.
type proof struct {
	g      *dialog
	beside bool // the request is under way beside the INVITE, whose credentials nobody may have looked at yet

	own      *brought
	tries    int
	brings   bool
	refusals uint64
	trial    *trial
}

// apply puts answers to the challenges so far into the request: in the first one where they are known to be taken, or
// it is part of a call that is being let in, else when it has been challenged.
func (p *proof) apply(req *msg.Request) error {
	p.tries++
	if p.own == nil {
		p.own = newBrought()
	}
	inside := p.g.t.inside
	_, resting := p.g.t.account.resting()
	p.brings = p.g.cred.known() && (p.beside || resting == nil && (p.tries > 1 || inside.isKnown()))
	p.refusals = inside.count()
	if !p.brings {
		return nil
	}
	return p.g.cred.applyOf(p.own, req)
}

// again says whether the request is sent once more, with an answer to its challenge. What becomes of a PRACK says
// nothing of the INVITE that is under way.
func (p *proof) again(ctx context.Context, res *msg.Response) bool {
	inside := p.g.t.inside
	switch {
	case p.beside:
		return isChallenge(res) && p.tries < mostTries && p.g.cred.learnBeside(res)
	case !isChallenge(res):
		if p.brings {
			inside.take(p.refusals)
		}
		return false
	}
	if !p.brings {
		p.own = newBrought() // it has brought none that could be wrong
	}
	again, wrong := p.g.cred.judgeOf(p.own, res) // which ends somewhen
	switch {
	case wrong:
		inside.refuse()
		return false
	case !again:
		return false
	case p.brings:
		inside.doubt()
	}
	return p.mayTry(ctx)
}

// mayTry waits where another request is about to find out whether the credentials are taken.
func (p *proof) mayTry(ctx context.Context) bool {
	if _, err := p.g.t.account.resting(); err != nil {
		return false
	}
	if p.trial != nil {
		return true
	}
	var err error
	p.trial, err = p.g.t.inside.await(ctx)
	return err == nil
}

// end is called when there is no more to send.
func (p *proof) end() { p.g.t.inside.leave(p.trial) }

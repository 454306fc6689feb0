package sip

import (
	"context"
	"errors"
	"time"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer"
)

// authorise is called before each INVITE of an attempt. It waits, where the INVITE is to bring credentials and
// another call is about to find out whether the trunk takes them. Nothing is under way meanwhile, since the
// INVITE before was refused. ok is false where the INVITE is not to be sent.
func (c *call) authorise(ctx context.Context, a *attempt) (v verdict, ok bool) {
	if a.brings = a.cred.known(); !a.brings || a.trial != nil {
		return verdict{}, true
	}
	for {
		mine, wait, err := a.t.account.enter()
		switch {
		case err != nil:
			return c.turnedAway(a, err), false
		case wait == nil:
			a.trial = mine
			return verdict{}, true
		}
		patience, stop := elapsed(trialPatience)
		select {
		case <-wait:
		case <-patience:
		case <-c.ring:
			return c.givenUp(&dialer.UnavailableError{Cause: errNoTime}), false
		case <-c.session.Left():
			return c.givenUp(&dialer.UnavailableError{Cause: errAgentLeft, AgentOnly: true}), false
		case <-ctx.Done():
			stop()
			return over(c.cancelled(ctx)), false
		}
		stop()
	}
}

// givenUp is the verdict where a call waits no longer.
func (c *call) givenUp(err error) verdict {
	if c.stage >= dialer.Accepted {
		return over(ending{reason: dialer.DialNoAnswer})
	}
	return verdict{fails: err}
}

// turnedAway is the verdict where the trunk has refused the credentials, of this call or of another one. Nobody's
// phone has rung, unless something above 100 was heard before.
func (c *call) turnedAway(a *attempt, err error) verdict {
	if c.stage >= dialer.Accepted {
		return over(ending{reason: dialer.DialFailed})
	}
	after, _ := a.t.account.resting()
	return verdict{why: err, after: after}
}

// judge notes what a response says of the credentials that the INVITE brought. A challenge is looked at by retry; a
// server that is in trouble, or a 100, says nothing.
func (c *call) judge(a *attempt, res *msg.Response) {
	if a.brings && c.d.judge(a.t, res) {
		c.d.warnOfCredentials(a.t, res)
	}
}

// judge says whether a response, which is no challenge, is taken for one to a wrong password.
func (d *Dialer) judge(t *trunk, res *msg.Response) bool {
	switch code := res.StatusCode; {
	case code == msg.StatusTrying, isChallenge(res), res.IsServerError():
		return false
	case code == msg.StatusForbidden:
		return causeOf(header(res, "reason")) == "" && t.account.forbid()
	}
	t.account.take()
	return false
}

// wrong is the verdict where the trunk challenges again what brought the credentials.
func (c *call) wrong(a *attempt, res *msg.Response) verdict {
	if a.t.account.refuse() > 0 {
		c.d.warnOfCredentials(a.t, res)
	}
	if c.stage >= dialer.Accepted {
		return over(refusal(res, !c.at.ringing.IsZero()))
	}
	return c.turnedAway(a, errors.New("it does not take the user and the secret: "+printable(res.StartLine())))
}

// warnOfCredentials has somebody look: no call is placed over the trunk.
func (d *Dialer) warnOfCredentials(t *trunk, res *msg.Response) {
	after, _ := t.account.resting()
	d.log.Error("a SIP trunk does not take the user and the secret: it gets no calls until they are tried again",
		"trunk", t.Name, "code", res.StatusCode, "again_in", after.Round(time.Second))
}

package sip

import (
	"context"
	"errors"
	"fmt"
	"time"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer"
)

// authorise is called before each INVITE of an attempt. It waits, where the INVITE is to bring credentials and
// another call is about to find out whether the trunk takes them. Nothing is under way meanwhile, since the
// INVITE before was refused. ok is false where the INVITE is not to be sent.
func (c *call) authorise(ctx context.Context, a *attempt) (v verdict, ok bool) {
	a.refusals = a.t.account.count()
	if a.brings = a.cred.known(); !a.brings || a.trial != nil {
		return verdict{}, true
	}
	begun := time.Now()
	for {
		mine, wait, err := a.t.account.enter()
		switch {
		case err != nil:
			return c.turnedAway(a, err), false
		case wait == nil:
			a.trial, a.refusals = mine, a.t.account.count()
			if time.Since(begun) > msg.T1 && c.stage < dialer.Accepted {
				a.cred.forget() // to be challenged anew: an old nonce looks like a wrong secret
				a.brings = false
			}
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
// server that is in trouble says nothing, nor does a provisional response: many a server has the caller wait before
// it looks at them. But a phone rings for nobody who was not let in.
func (c *call) judge(a *attempt, res *msg.Response) {
	switch {
	case !a.brings:
		if res.IsSuccess() || res.StatusCode == msg.StatusRinging {
			a.t.account.admit()
		}
	case c.d.judge(a.t, res, a.refusals):
		c.d.warnOfCredentials(a.t, res)
	}
}

// judge says whether a response, which is no challenge, is taken for one to a wrong password. The request left when
// the credentials had been refused so many times.
func (d *Dialer) judge(t *trunk, res *msg.Response, refusals uint64) bool {
	switch code := res.StatusCode; {
	case res.IsProvisional() && code != msg.StatusRinging, isChallenge(res), res.IsServerError():
		return false
	case code == msg.StatusForbidden:
		return causeOf(header(res, "reason")) == "" && t.account.forbid()
	}
	t.account.take(refusals)
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

// unanswerable is the verdict where a challenge cannot be answered. As long as the trunk has let no call in, that is
// a matter of the configuration and of nobody whom we call: the trunk rests, as for a wrong secret. Later it may be
// somebody behind the trunk who challenges, and is no matter of the others.
func (c *call) unanswerable(a *attempt, res *msg.Response, e ending) verdict {
	obstacle := a.cred.obstacle(res)
	v := verdict{why: fmt.Errorf("%s: %w", printable(res.StartLine()), obstacle)}
	switch {
	case errors.Is(obstacle, errStale): // nobody but who has given us the nonces says so
	case a.redirects == 0 && a.t.account.demand():
		v.after, _ = a.t.account.resting()
		c.d.log.Error("a SIP trunk asks for what the configuration cannot answer: it gets no calls until that is tried again",
			"trunk", a.t.Name, "code", res.StatusCode, "error", obstacle, "again_in", v.after.Round(time.Second))
	default:
		e.message = v.why.Error()
		v.maybe, v.ending = true, e
	}
	return v
}

// warnOfCredentials has somebody look: no call is placed over the trunk.
func (d *Dialer) warnOfCredentials(t *trunk, res *msg.Response) {
	after, _ := t.account.resting()
	d.log.Error("a SIP trunk does not take the user and the secret: it gets no calls until they are tried again",
		"trunk", t.Name, "code", res.StatusCode, "again_in", after.Round(time.Second))
}

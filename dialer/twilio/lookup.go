package twilio

import (
	"context"
	"errors"
	"time"
)

var (
	errNotListed = errors.New("the call is not in the list of the account")
	errAmbiguous = errors.New("there are several calls in the list of the account that it may be")
)

// window is when a call was created, by our clock.
type window struct{ from, to time.Time }

// clockSlack allows for times that Twilio cuts to the second, and for a clock that is known to half of one.
const clockSlack = 2 * time.Second

// lookUp looks for an attempt's call until it is found, by a callback or a stream that names it or in the
// list, or until Timing.LookUp has passed. The list may be behind, so nothing in it is no answer
// yet. The error is the last reason why it was not found.
func (d *Dialer) lookUp(ctx context.Context, a *attempt, w window) error {
	ctx, cancel := context.WithTimeout(ctx, d.config.Timing.LookUp)
	defer cancel()
	every := d.config.Timing.LookUpEvery
	timer := time.NewTimer(every / 2)
	defer timer.Stop()
	last := errNotListed
	for {
		k, changed := a.look()
		if k.sid != "" {
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			if err := d.listed(ctx, a, w); err != nil && ctx.Err() == nil {
				last = err
			}
			timer.Reset(every/2 + jitter(every))
		case <-ctx.Done():
			return last
		}
	}
}

// listed looks for the call once.
func (d *Dialer) listed(ctx context.Context, a *attempt, w window) error {
	// What Twilio's clock shows is known from the answer, if not from one before.
	since := func() time.Time { return d.account.atTwilio(w.from).Add(-clockSlack) }
	records, err := d.account.list(ctx, string(a.call.From), string(a.call.To), since)
	if err != nil {
		return err
	}
	var found []record
	for _, r := range records {
		isLike := r.direction == outboundAPI && r.from == string(a.call.From) && r.to == string(a.call.To)
		isThen := !r.created.Before(since()) && !r.created.After(d.account.atTwilio(w.to))
		if isLike && isThen && callSID.MatchString(r.sid) && !d.calls.isOthers(r.sid, a.call.ID) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return errNotListed
	case 1:
		d.calls.note(found[0].sid, a.call.ID)
		a.guess(found[0])
		return nil
	}
	return errAmbiguous
}

const outboundAPI = "outbound-api"

package twilio

import (
	"slices"

	"github.com/outdial/outdial/dialer"
)

// Replaces is for a host that puts d in the place of another dialer, below the same public URL, while that
// one's calls go on: their callbacks and streams, which from now on come to d's Handler, reach them until
// old is closed. Of the same account, d also knows which attempts are over, and hangs up what turns up
// of them later; and old, should Twilio refuse its credentials, goes on with those of d. Of another account, d
// resumes what its own does not know there. A dialer of another kind is of no concern. It is to be called before d
// is used.
func (d *Dialer) Replaces(old dialer.Dialer) {
	o, ok := dialer.As[*Dialer](old)
	if !ok || o == d {
		return
	}
	d.older.Store(o)
	isFirst := true
	for _, x := range o.line() { // between them may be one of another account
		if x.config.AccountSID == d.config.AccountSID {
			d.succeed(x, isFirst)
			isFirst = false
		}
	}
}

// succeed is for a former dialer of the same account, the latest first.
func (d *Dialer) succeed(o *Dialer, isLatest bool) {
	if isLatest {
		d.calls = o.calls
	}
	o.account.renew(d.account)
	// A token that is not in use any more has opened the streams of calls that still ring. It signs nothing.
	for _, token := range o.tokens {
		if !slices.Contains(d.tokens, token) {
			d.tokens = append(slices.Clip(d.tokens), token)
		}
	}
}

// line is d and those it has replaced that are still open, the latest first.
func (d *Dialer) line() []*Dialer {
	line := []*Dialer{d}
	for x := d; ; {
		o := x.older.Load()
		switch {
		case o == nil:
			return line
		case o.closed():
			x.older.CompareAndSwap(o, o.older.Load())
		default:
			line = append(line, o)
			x = o
		}
	}
}

// accounts are d and the latest of those it has replaced of each other account.
func (d *Dialer) accounts() []*Dialer {
	var all []*Dialer
	for _, x := range d.line() {
		isNew := !slices.ContainsFunc(all, func(y *Dialer) bool { return y.config.AccountSID == x.config.AccountSID })
		if isNew {
			all = append(all, x)
		}
	}
	return all
}

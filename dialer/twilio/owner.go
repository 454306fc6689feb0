package twilio

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/outdial/outdial/dialer"
)

// OwnerFunc finds the process that follows a call, by the call's organisation and id, as the host's store has
// them. It returns what takes a request of Twilio's there: to the Handler of that process's dialer, below the path
// that this one's was stripped of, and with all that the request has, since its signature is checked there once
// more. What it returns keeps time limits of its own, and answers 502 where that process cannot be reached: it is
// then looked for anew, as another one may have taken over.
//
// A nil handler says that the call is this process's, or just now nobody's: the request waits, and it is
// asked again, until the call is followed here. An error that wraps [dialer.ErrOver] says that the attempt is
// over: what goes on of the call is hung up, and its stream refused. [dialer.ErrUnknownCall] says that the host has
// no such call, and any other error that it cannot be said whose it is.
//
// It is called by many goroutines at once.
type OwnerFunc = func(ctx context.Context, org, callID string) (http.Handler, error)

// FindOwners sets Config.Owner; nil takes it away. It is for hosts that open dialers by their URLs, and safe for
// concurrent use.
func (d *Dialer) FindOwners(find OwnerFunc) { d.find.Store(&find) }

var (
	errNotHere = errors.New("nobody here follows the call")
	errNowhere = errors.New("nobody follows the call just now")
)

// whereabouts returns what takes a request to the process that follows the call, or nil where this
// one does, or knows that it is over. A request that was passed on is not passed on again.
func (d *Dialer) whereabouts(ctx context.Context, of reference, isPassedOn bool) (http.Handler, error) {
	find := *d.find.Load()
	for tries := 0; ; tries++ {
		if d.calls.knows(of.call) {
			return nil, nil //nolint:nilnil // as the comment says
		}
		if find == nil || of.org == "" {
			return nil, errNotHere
		}
		owner, err := find(ctx, of.org, of.call)
		switch {
		case errors.Is(err, dialer.ErrOver):
			d.calls.end(of.call)
			return nil, nil //nolint:nilnil // as the comment says
		case err != nil:
			return nil, err
		case owner != nil && isPassedOn:
			return nil, errNotHere // who has passed it on looks again
		case owner != nil:
			return owner, nil
		case !pause(ctx, backoff(tries, time.Second/10, time.Second)):
			return nil, errNowhere
		}
	}
}

package twilio

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/outdial/outdial/dialer"
)

var (
	errClosed  = errors.New("the dialer is closed")
	errTooLong = errors.New("it took too long")
)

// grace is how long a request goes on whose call is to end: what it answers says which call
// there is to end.
const grace = 5 * time.Second

// outliving returns a context that ends like ctx where the call is let go of, and otherwise outlives
// it by the time given, as what ends a call must.
func outliving(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	late := time.AfterFunc(time.Hour, func() { cancel(errTooLong) })
	late.Stop()
	stop := context.AfterFunc(ctx, func() {
		if dialer.Detached(ctx) {
			cancel(dialer.ErrDetached)
			return
		}
		late.Reset(by)
	})
	return longer, func() {
		stop()
		cancel(nil)
		late.Stop()
	}
}

// pause is false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// backoff is how long to wait after so many failures: longer each time, and at random, so that calls that
// failed together do not come back together.
func backoff(failures int, first, most time.Duration) time.Duration {
	d := first
	for range failures {
		d = min(2*d, most)
	}
	return d/2 + jitter(d)
}

// jitter is a random part of d.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d) //nolint:gosec // nobody gains by guessing it
}

package sip

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer"
)

// sessionTimer is when the session of a call has to be refreshed, and when it is over (RFC 4028). It is safe
// for concurrent use.
type sessionTimer struct {
	changed chan struct{} // holds one token when it was changed

	mu       sync.Mutex
	seconds  uint32 // 0: there is none
	ours     bool   // we refresh
	refresh  time.Time
	expire   time.Time
	underway bool // a refresh of ours
}

// set begins the interval anew.
func (t *sessionTimer) set(seconds uint32, ours bool, second time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, interval := time.Now(), time.Duration(seconds)*second
	t.seconds, t.ours, t.underway = seconds, ours, false
	t.refresh = now.Add(interval / 2)                         // RFC 4028, section 7.2
	t.expire = now.Add(interval - min(32*second, interval/3)) // section 10
	t.tell()
}

// tell is called with the lock held.
func (t *sessionTimer) tell() {
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// again has the refresh tried once more after a time.
func (t *sessionTimer) again(after time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.underway, t.refresh = false, time.Now().Add(after)
	t.tell()
}

// next says in what time there is something to do; 0 if there is no timer.
func (t *sessionTimer) next() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.expire
	switch {
	case t.seconds == 0:
		return 0
	case t.ours && !t.underway && t.refresh.Before(at):
		at = t.refresh
	}
	return max(time.Until(at), time.Nanosecond)
}

// due says what there is to do now.
func (t *sessionTimer) due() (refresh, expired bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	switch {
	case t.seconds == 0:
		return false, false
	case !now.Before(t.expire):
		return false, true
	case t.ours && !t.underway && !now.Before(t.refresh):
		t.underway = true
		return true, false
	}
	return false, false
}

func (t *sessionTimer) interval() uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seconds
}

// startTimer takes the session timer from the answer to a request of ours. Without one there, there is
// none (RFC 4028, section 7.2).
func (c *call) startTimer(t timers) {
	if t.interval > 0 {
		c.timer.set(t.interval, t.refresher != "uas", c.d.second)
	}
}

// refresh is done in the background when the session has to be refreshed.
func (g *dialog) refreshSession(ctx context.Context) {
	res, err := g.sendRefresh(ctx)
	switch {
	case errors.Is(err, errBusy):
		g.c.timer.again(g.c.d.glare())
		return
	case errors.Is(err, errOver):
		return
	case err != nil:
		g.c.end(ending{reason: dialer.ClientDisconnected, message: "the session could not be refreshed"})
		return
	}
	g.refreshed(res)
}

func (g *dialog) refreshed(res *msg.Response) {
	said := timersOf(res)
	switch code := res.StatusCode; {
	case res.IsSuccess():
		if said.interval == 0 {
			said.interval = g.c.timer.interval()
		}
		g.c.startTimer(said)
	case code == statusIntervalTooSmall && said.least > g.c.timer.interval():
		g.c.timer.set(said.least, true, g.c.d.second)
		g.c.timer.again(0)
	case code == msg.StatusRequestTimeout, code == msg.StatusCallTransactionDoesNotExists:
		g.c.end(ending{reason: dialer.ClientDisconnected, because: header(res, "reason")})
	case code == msg.StatusMethodNotAllowed, code == msg.StatusNotImplemented:
		g.mu.Lock()
		g.update = false
		g.mu.Unlock()
		g.c.timer.again(g.c.d.second)
	default: // 491 and what may pass: until the session expires
		g.c.timer.again(g.c.d.glare())
	}
}

// glare is how long to wait after 491 where the Call-ID is ours: RFC 3261, section 14.1.
func (d *Dialer) glare() time.Duration {
	const least, spread = 2.1, 1.9
	return time.Duration((least + spread*rand.Float64()) * float64(d.second)) //nolint:gosec // it spreads load
}

func (g *dialog) sendRefresh(ctx context.Context) (*msg.Response, error) {
	g.mu.Lock()
	update := g.update
	g.mu.Unlock()
	if !update {
		return g.reinvite(ctx)
	}
	return g.send(ctx, msg.UPDATE, func(req *msg.Request, f *flow) {
		req.AppendHeader(g.c.contact(g.t, f))
		req.AppendHeader(msg.NewHeader("Supported", supported))
		askFor(req, g.c.timer.interval(), 0, "uac")
	})
}

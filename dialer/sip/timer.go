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
	tries    int  // of it that were refused
}

// set begins the interval anew.
func (t *sessionTimer) set(seconds uint32, ours bool, second time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, interval := time.Now(), time.Duration(seconds)*second
	t.seconds, t.ours, t.underway, t.tries = seconds, ours, false, 0
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

// mostRefusals is how often a refresh may be refused for no reason that is known to pass.
const mostRefusals = 5

// refused has the refresh tried again after a time that doubles with each try. It is not, and the session
// may expire, when it was refused too often; unless the reason passes.
func (t *sessionTimer) refused(after time.Duration, passes bool) {
	t.mu.Lock()
	t.tries++
	tries := t.tries
	t.mu.Unlock()
	if passes || tries <= mostRefusals {
		t.again(after << min(tries-1, mostRefusals))
	}
}

// clear ends the timer: the call goes on without.
func (t *sessionTimer) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seconds, t.underway = 0, false
	t.tell()
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
// none (RFC 4028, section 7.2). What is shorter than may be is taken for the shortest.
func (c *call) startTimer(t timers) {
	if t.interval > 0 {
		c.timer.set(max(t.interval, uint32(minSession/time.Second)), t.refresher != "uas", c.d.second)
	}
}

// refreshSession is done in the background when the session has to be refreshed.
func (g *dialog) refreshSession(ctx context.Context) {
	res, method, err := g.sendRefresh(ctx)
	switch {
	case errors.Is(err, errBusy):
		g.c.timer.again(g.c.d.glare())
	case errors.Is(err, errOver):
	case errors.Is(err, errLost): // which revive sees to
		g.c.timer.again(msg.T1)
	case err != nil:
		g.c.end(ending{reason: dialer.ClientDisconnected, message: "the session could not be refreshed"})
	default:
		g.refreshed(res, method)
	}
}

func (g *dialog) refreshed(res *msg.Response, method msg.RequestMethod) {
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
	case isOverThere(res):
		g.c.end(ending{reason: dialer.ClientDisconnected, because: header(res, "reason")})
	case code == msg.StatusRequestPending:
		g.c.timer.refused(g.c.d.glare(), true)
	case code == msg.StatusInternalServerError && header(res, "retry-after") != "": // RFC 3261, section 14.2
		seconds, _ := secondsOf(header(res, "retry-after"))
		g.c.timer.refused(time.Duration(max(seconds, 1))*g.c.d.second, true)
	case isNeverTaken(res):
		g.refreshOtherwise(res, method)
	default:
		g.c.timer.refused(g.c.d.second, false)
	}
}

// isOverThere says whether the peer knows the call no more: RFC 3261, section 12.2.1.2.
func isOverThere(res *msg.Response) bool {
	return res.StatusCode == msg.StatusRequestTimeout || res.StatusCode == msg.StatusCallTransactionDoesNotExists
}

// isNeverTaken is a refusal that the same request would meet again.
func isNeverTaken(res *msg.Response) bool {
	switch res.StatusCode {
	case msg.StatusForbidden, msg.StatusMethodNotAllowed, msg.StatusNotAcceptableHere, msg.StatusNotImplemented:
		return true
	}
	return false
}

// refreshOtherwise tries a re-INVITE where there was an UPDATE. Who takes neither has no use for a timer, and
// a call is not ended for it.
func (g *dialog) refreshOtherwise(res *msg.Response, method msg.RequestMethod) {
	if method == msg.UPDATE {
		g.mu.Lock()
		g.update = false
		g.mu.Unlock()
		g.c.timer.again(g.c.d.second)
		return
	}
	g.c.d.log.Warn("a session cannot be refreshed: the call goes on without a session timer",
		"trunk", g.t.Name, "call", g.c.in.ID, "code", res.StatusCode)
	g.c.timer.clear()
}

// glare is how long to wait after 491 where the Call-ID is ours: RFC 3261, section 14.1.
func (d *Dialer) glare() time.Duration {
	const least, spread = 2.1, 1.9
	return time.Duration((least + spread*rand.Float64()) * float64(d.second)) //nolint:gosec // it spreads load
}

// sendRefresh also tells the peer where we can be reached, as any target refresh request does (RFC 3261,
// section 12.2).
func (g *dialog) sendRefresh(ctx context.Context) (*msg.Response, msg.RequestMethod, error) {
	g.mu.Lock()
	update := g.update
	g.mu.Unlock()
	if !update {
		res, err := g.reinvite(ctx)
		return res, msg.INVITE, err
	}
	res, err := g.send(ctx, msg.UPDATE, func(req *msg.Request, f *flow) {
		req.AppendHeader(g.c.contact(g.t, f))
		req.AppendHeader(msg.NewHeader("Supported", supported))
		askFor(req, g.c.timer.interval(), 0, "uac")
	})
	return res, msg.UPDATE, err
}

package sip

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"time"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

// runPatience is how long Dial waits for the session to see that the call is over. What the agent is
// then still told is not waited for.
const runPatience = 250 * time.Millisecond

// talk follows an answered call to its end.
func (c *call) talk(ctx context.Context, g *dialog) ending {
	running, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	ran := make(chan error, 1)
	session := c.session
	go func() { ran <- session.Run(running) }() // which Close of the session ends, or leaves to itself
	e := c.listen(ctx, g, ran)
	c.at.ended = time.Now()
	if e.byPeer {
		g.end()
		stop(media.HungUp())
	} else {
		g.leave(e.reason)
		c.d.work.background(g.hangUp)
		stop(errOver)
	}
	c.collect(session, ran, e)
	c.at.acked = g.awaitAck()
	return e
}

// listen waits for the end of the call.
func (c *call) listen(ctx context.Context, g *dialog, ran chan error) ending {
	limit, stop := elapsed(c.in.MaxDuration)
	defer stop()
	nudge, stopNudge := c.d.nudges()
	defer stopNudge()
	var lost <-chan time.Time
	gone := g.home().gone
	for {
		session, _ := elapsed(c.timer.next()) // one that is not used any more is collected
		select {
		case e := <-c.ends:
			return e
		case err := <-ran:
			ran <- err // for collect
			return mediaEnding(err)
		case <-limit:
			return ending{reason: dialer.MaxDuration}
		case <-ctx.Done():
			return ending{reason: dialer.HangUpReason(ctx, true)}
		case <-gone: // a BYE may have come just before
			gone = nil
			lost, _ = elapsed(lastWords)
		case <-lost:
			lost = nil
			c.d.work.background(g.revive)
		case f := <-g.moved:
			gone = f.gone
		case <-nudge:
			c.d.work.background(g.nudge)
		case <-c.timer.changed:
		case <-session:
			if refresh, expired := c.timer.due(); expired {
				return ending{reason: dialer.ClientDisconnected, message: "the session expired"}
			} else if refresh {
				c.d.work.background(g.refreshSession)
			}
		}
	}
}

// collect takes what the session tells.
func (c *call) collect(session media.Session, ran <-chan error, e ending) {
	patience, stop := elapsed(runPatience)
	defer stop()
	select {
	case <-ran: //nolint:errcheck // what it says was heard before
	case <-patience:
		c.d.log.Warn("the media goes on after the end of the call", "call", c.in.ID, "reason", string(e.reason))
	}
	maps.Copy(c.details, session.Details())
}

// nudges are the times at which the connections of a call are to be used, so that neither the peer nor what
// is in between takes them for idle (RFC 5626, section 4.4.1).
func (d *Dialer) nudges() (at <-chan time.Time, stop func()) {
	const least, spread = 95, 25                                                // seconds
	every := time.Duration((least + spread*rand.Float64()) * float64(d.second)) //nolint:gosec // it spreads load
	ticker := time.NewTicker(every)
	return ticker.C, ticker.Stop
}

// nudge does that where nothing was heard for a while: the answer to the nudge of one call is
// enough for all that share the connection.
func (g *dialog) nudge(context.Context) {
	const quiet = 60
	since := time.Now().Add(-quiet * g.c.d.second)
	for _, f := range g.flows() {
		if f.stream != nil && !f.lost() && !f.stream.heardSince(since) {
			f.write([]byte("\r\n\r\n")) //nolint:errcheck,gosec // a connection that is lost is seen to be
		}
	}
}

// flows are those that the dialog uses.
func (g *dialog) flows() []*flow {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wayFlow == nil || g.wayFlow == g.flow {
		return []*flow{g.flow}
	}
	return []*flow{g.flow, g.wayFlow}
}

// revive goes on with a call whose connection was lost: many peers close an idle one. The peer is told
// where we are now, and says whether it knows the call.
func (g *dialog) revive(ctx context.Context) {
	const attempts = 4
	pause := msg.T1
	for range attempts {
		res, _, err := g.sendRefresh(ctx)
		switch {
		case errors.Is(err, errOver):
			return
		case err == nil && isOverThere(res):
			g.c.end(ending{reason: dialer.ClientDisconnected, message: errLost.Error(), because: header(res, "reason")})
			return
		case err == nil:
			if res.IsSuccess() {
				g.c.startTimer(timersOf(res))
			}
			return
		case errors.Is(err, errSilence):
			pause = transactionTime() // it is not there
		}
		if pause > msg.T1<<attempts || !sleep(ctx, pause) {
			break
		}
		pause *= 2
	}
	g.c.end(ending{reason: dialer.ClientDisconnected, message: errLost.Error()})
}

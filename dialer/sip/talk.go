package sip

import (
	"context"
	"maps"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

// runPatience is how long a session may take to tell its agent that the call is over.
const runPatience = 5 * time.Second

// talk follows an answered call to its end.
func (c *call) talk(ctx context.Context, g *dialog) ending {
	running, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	ran := make(chan error, 1)
	session := c.session
	e := ending{reason: dialer.APICancelled}
	if c.d.work.background(func(context.Context) { ran <- session.Run(running) }) {
		e = c.listen(ctx, g, ran)
	} else {
		close(ran)
	}
	if e.byPeer {
		g.end()
		stop(media.HungUp())
	} else {
		c.d.work.background(g.hangUp)
		stop(errOver)
	}
	c.collect(session, ran, e)
	return e
}

// listen waits for the end of the call.
func (c *call) listen(ctx context.Context, g *dialog, ran chan error) ending {
	limit, stop := elapsed(c.in.MaxDuration)
	defer stop()
	var lost <-chan time.Time
	gone := g.flow.gone
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
			return ending{reason: dialer.ClientDisconnected, message: errLost.Error()}
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

// collect waits for the session and takes what it tells.
func (c *call) collect(session media.Session, ran <-chan error, e ending) {
	patience, stop := elapsed(runPatience)
	defer stop()
	select {
	case <-ran: //nolint:errcheck // what it says was heard before
		maps.Copy(c.details, session.Details())
	case <-patience:
		c.d.log.Warn("the media goes on after the end of the call", "call", c.in.ID, "reason", string(e.reason))
	}
}

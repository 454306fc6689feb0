package fake

import (
	"fmt"
	"time"

	"github.com/outdial/outdial/dialer"
)

// line is a call at the carrier. It lives by itself, driven by a timer, and whoever placed
// or resumed it only follows it: so it goes on when they let go. The carrier's
// mutex guards it.
type line struct {
	carrier   *Carrier
	about     Entry // whose call it is, to fill entries with
	behaves   Behaviour
	ringFor   time.Duration // how long the caller lets it ring
	talkFor   time.Duration // how long the caller lets it last
	resumable bool

	stage    dialer.Stage
	placedAt time.Time
	outcome  dialer.Outcome // complete when it is over
	isOver   bool
	timer    *time.Timer
	changed  chan struct{} // closed at the next change; made when somebody waits for it
}

// place is the moment from which on the call is live.
func (c *Carrier) place(call dialer.Call, b Behaviour, resumable bool) (*line, error) {
	l := &line{
		carrier: c, about: entryOf(call), behaves: c.atSpeed(b), resumable: resumable,
		ringFor:  c.limit(call.RingTimeout, b.has(IgnoreRingTimeout|Hang)),
		talkFor:  c.limit(call.MaxDuration, b.has(IgnoreMaxDuration|Hang)),
		stage:    dialer.Accepted,
		placedAt: time.Now(),
		outcome:  dialer.Outcome{Ref: "fake-" + call.ID, Message: b.Message, Details: b.Details},
	}
	if err := l.write(Placed, l.placedAt); err != nil {
		return nil, fmt.Errorf("%w: %w", dialer.ErrNotPlaced, err)
	}
	if b.rings() {
		l.ring(l.placedAt)
	}
	l.goOn(l.placedAt)
	if !l.isOver {
		c.lines[l] = struct{}{}
		if resumable {
			c.byID[call.ID] = l
		}
	}
	return l, nil
}

func entryOf(call dialer.Call) Entry {
	return Entry{
		Call: call.ID, Org: call.Org, Batch: call.Batch,
		Recipient: call.Recipient, Attempt: call.Attempt, From: call.From,
	}
}

// atSpeed is the behaviour in this carrier's time.
func (c *Carrier) atSpeed(b Behaviour) Behaviour {
	b.Ring, b.Talk = c.config.faster(b.Ring), c.config.faster(b.Talk)
	if b.has(Hang) {
		b.Ring = Forever
	}
	return b
}

// limit is a limit of the call on this carrier. Zero is none, as in the call.
func (c *Carrier) limit(d time.Duration, ignored bool) time.Duration {
	if ignored || d == 0 {
		return Forever
	}
	return c.config.faster(d)
}

// goOn takes the steps that take no time, then waits for the next one.
func (l *line) goOn(now time.Time) {
	for !l.isOver {
		d := l.untilNext()
		if d > 0 {
			l.wait(d)
			return
		}
		l.step(now)
	}
}

func (l *line) untilNext() time.Duration {
	if l.stage == dialer.Connected {
		return min(l.behaves.Talk, l.talkFor)
	}
	return min(l.behaves.Ring, l.ringFor)
}

func (l *line) wait(d time.Duration) {
	if d == Forever {
		return
	}
	stage := l.stage
	l.timer = time.AfterFunc(d, func() {
		l.carrier.mu.Lock()
		defer l.carrier.mu.Unlock()
		if l.isOver || l.stage != stage {
			return // hung up while the timer fired
		}
		now := time.Now()
		l.step(now)
		l.goOn(now)
	})
}

// step is what happens when the time in the present stage is over.
func (l *line) step(now time.Time) {
	b := l.behaves
	switch {
	case l.stage == dialer.Connected && b.Talk > l.talkFor:
		l.end(dialer.MaxDuration, now)
	case l.stage == dialer.Connected:
		l.end(b.end(), now)
	case b.Ring > l.ringFor:
		l.end(dialer.DialNoAnswer, now)
	case b.connects():
		l.connect(now)
	default:
		l.end(b.end(), now)
	}
}

// ring writes the books first: a crash in between must not lose a ring.
func (l *line) ring(now time.Time) {
	if err := l.write(Rang, now); err != nil {
		l.outcome.Message = err.Error()
		l.end(dialer.Error, now)
		return
	}
	l.stage = dialer.Ringing
	l.outcome.RangAt = now
	l.tell()
}

func (l *line) connect(now time.Time) {
	l.stage = dialer.Connected
	l.outcome.ConnectedAt = now
	l.tell()
}

func (l *line) end(reason dialer.EndReason, now time.Time) {
	l.isOver = true
	l.outcome.Reason, l.outcome.EndedAt = reason, now
	if reason == dialer.Error && l.outcome.Message == "" {
		l.outcome.Message = "the fake carrier was told to fail this call"
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	l.about.Reason = reason
	l.write(Ended, now) //nolint:errcheck,gosec // the ledger keeps it for Close
	l.carrier.forget(l)
	l.tell()
}

// disconnect is what the end of the carrier does to a call.
func (l *line) disconnect(now time.Time) {
	if l.stage == dialer.Connected {
		l.end(dialer.ClientDisconnected, now)
		return
	}
	l.end(dialer.DialFailed, now)
}

// forget takes a call that is over from the live ones.
func (c *Carrier) forget(l *line) {
	delete(c.lines, l)
	if !l.resumable {
		return
	}
	if c.byID[l.about.Call] == l { // not if a caller used the id twice
		delete(c.byID, l.about.Call)
	}
	c.over.put(l.about.Call, l)
}

func (l *line) write(event Event, now time.Time) error {
	if l.carrier.ledger.idle {
		return nil
	}
	e := l.about
	e.Event, e.At = event, now
	return l.carrier.ledger.add(e)
}

// tell wakes those who wait for a change.
func (l *line) tell() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

package fake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/outdial/outdial/dialer"
)

// dial is Dial. detachable says that the dialer is a Resumer.
func (c *Carrier) dial(
	ctx context.Context, call dialer.Call, report func(dialer.Progress), detachable bool,
) (dialer.Outcome, error) {
	if ctx.Err() != nil {
		return c.tooLate(ctx, call, detachable)
	}
	l, err := c.take(call, detachable)
	if err != nil {
		return dialer.Outcome{}, err
	}
	f := follower{line: l, fault: l.behaves.Fault, report: report, detachable: detachable}
	return f.follow(ctx)
}

// tooLate is for a call that was cancelled before it was placed.
func (c *Carrier) tooLate(ctx context.Context, call dialer.Call, detachable bool) (dialer.Outcome, error) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused(call, now)
	if detachable && dialer.Detached(ctx) {
		return dialer.Outcome{}, fmt.Errorf("%w: %w", dialer.ErrNotPlaced, dialer.ErrDetached)
	}
	return dialer.Outcome{Reason: dialer.HangUpReason(ctx, false), EndedAt: now}, nil
}

// take places the call, or says why not.
func (c *Carrier) take(call dialer.Call, resumable bool) (*line, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	b, err := c.behaviour(call, now)
	if err != nil {
		c.refused(call, now)
		return nil, err
	}
	if b.has(PanicBeforePlacing) {
		c.refused(call, now)
		panic("fake: told to panic before placing the call")
	}
	return c.place(call, b, resumable)
}

func (c *Carrier) refused(call dialer.Call, now time.Time) {
	e := entryOf(call)
	e.Event, e.At = Refused, now
	c.ledger.add(e) //nolint:errcheck,gosec // the ledger keeps it for Close
}

// behaviour is what becomes of the attempt, or the error that says that the carrier
// does not take it.
func (c *Carrier) behaviour(call dialer.Call, now time.Time) (Behaviour, error) {
	if err := c.takesNone(now); err != nil {
		return Behaviour{}, err
	}
	b, err := c.scriptedOrDrawn(call, now)
	if err == nil && b.has(Refuse) {
		err = refusal(b)
	}
	return b, err
}

// takesNone says why the carrier takes no call whatever; nil: it may.
func (c *Carrier) takesNone(now time.Time) error {
	if c.isClosed {
		return fmt.Errorf("%w: the carrier is closed", dialer.ErrNotPlaced)
	}
	if rest := c.restUntil.Sub(now); rest > 0 {
		return unavailable("it has a rest", rest)
	}
	return nil
}

func (c *Carrier) scriptedOrDrawn(call dialer.Call, now time.Time) (Behaviour, error) {
	if s, ok := c.scripts[call.To]; ok {
		b := s.behaviour(call.Attempt)
		b.UnavailableFor = c.config.faster(b.UnavailableFor)
		if rest := s.unavailable(call.Attempt, b, now); rest > 0 {
			return b, unavailable("it was told to take no call to this number", rest)
		}
		return b, nil
	}
	b, turnAway := c.config.draw(call.To, call.Attempt)
	if turnAway && !c.turnedBefore(call) {
		return b, unavailable("it is full", c.config.faster(time.Second))
	}
	return b, nil
}

// turnedBefore also remembers the attempt, so that it is turned away once.
func (c *Carrier) turnedBefore(call dialer.Call) bool {
	key := turnedAway{call.To, call.Attempt}
	_, before := c.turned.get(key)
	c.turned.put(key, struct{}{})
	return before
}

func unavailable(why string, rest time.Duration) error {
	if rest == Forever {
		rest = 0 // nothing to wait for
	}
	return &dialer.UnavailableError{Cause: errors.New(why), After: rest}
}

func refusal(b Behaviour) error {
	if b.Message != "" {
		return fmt.Errorf("%w: %s", dialer.ErrNotPlaced, b.Message)
	}
	return fmt.Errorf("%w: the fake carrier refuses this number", dialer.ErrNotPlaced)
}

// resume is Resume. What a call does wrong to the one that placed it, it does not do to
// the one that resumes it, except to hang and to report badly.
func (c *Carrier) resume(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
	l := c.find(call)
	if l == nil {
		return dialer.Outcome{}, dialer.ErrUnknownCall
	}
	f := follower{
		line: l, fault: l.behaves.Fault &^ (PanicWhileRinging | LoseReply), report: report, detachable: true,
	}
	return f.follow(ctx)
}

// find goes by the id; a reference that is not the call's belongs to another one.
func (c *Carrier) find(call dialer.Call) *line {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.byID[call.ID]
	if !ok {
		l, ok = c.over.get(call.ID)
	}
	if !ok || (call.Ref != "" && call.Ref != l.outcome.Ref) {
		return nil
	}
	return l
}

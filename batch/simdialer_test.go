package batch

import (
	"context"
	"errors"
	"time"

	"github.com/outdial/outdial/dialer"
)

// simDialer is a carrier as a process reaches it.
type simDialer struct {
	p      *simProc
	c      *simCarrier
	number int // of those of the process
	knows  int // the changes of the carrier's limits that the engine was told of
}

// simResumer is the dialer of a carrier that goes on with calls.
type simResumer struct{ *simDialer }

var (
	errSimReply   = errors.New("the connection to the carrier broke")
	errSimUnasked = errors.New("the carrier does not answer")
)

func (d *simDialer) Limits() dialer.Limits {
	d.knows = len(d.c.former)
	return d.c.limits
}

func (d *simDialer) Dial(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
	w := d.p.w
	dial := &simDial{p: d.p, c: d.c, dialer: d.number, call: w.ledger.calls[call.ID], units: w.ledger.units(call.Org), ctx: ctx}
	d.p.beginDial(dial)
	defer d.p.endDial(dial)
	w.ledger.begun(dial, call)
	w.ledger.paced(dial)
	s := d.c.drawScript(&call)
	if w.telling() {
		w.tell("%s dials %s over %s", d.p.name, call.ID, d.c.name)
	}
	switch {
	case s.panics == 1:
		panic("the dialer broke before it placed the call")
	case ctx.Err() != nil && dialer.Detached(ctx):
		return dialer.Outcome{}, dialer.ErrNotPlaced
	case ctx.Err() != nil:
		return dialer.Outcome{Reason: dialer.HangUpReason(ctx, false)}, nil
	}
	rec, err := d.ask(dial, call, &s) //nolint:contextcheck // a process that starts later has its own
	switch {
	case err != nil:
		return dialer.Outcome{}, err
	case s.hangs:
		for d.sleep(context.WithoutCancel(ctx), 24*time.Hour) {
		}
		return dialer.Outcome{}, dialer.ErrDetached
	case s.panics == 2:
		d.sleep(ctx, time.Second)
		panic("the dialer broke after it had placed the call")
	}
	return d.follow(ctx, rec, &s, report)
}

func (d *simDialer) sleep(ctx context.Context, t time.Duration) bool {
	return simSystem{d.p}.sleep(ctx, t)
}

// ask takes the call to the carrier. What is on its way arrives, whatever becomes of the process.
func (d *simDialer) ask(dial *simDial, call dialer.Call, s *script) (*simRecord, error) {
	w, t := d.p.w, d.p.w.current
	there := w.between(time.Millisecond, 200*time.Millisecond)
	back := w.between(time.Millisecond, 200*time.Millisecond)
	var rec *simRecord
	var err error
	answered, turn := false, t.turn
	if s.replyLost {
		back = w.between(time.Second, 20*time.Second)
	}
	w.do(there, func() {
		rec, err = d.c.take(d.p, call, s)
		if dial.rec = rec; d.p.dead {
			dial.lost()
		}
		if w.telling() {
			w.tell("%s has %s: %s", d.c.name, call.ID, outcomeText(err))
		}
		if answered = true; !t.over && t.turn == turn {
			w.wakeAt(t, w.now+int64(back))
		}
		d.p.crashAt(nodeCrashAtCarrier, "dial")
	})
	t.co.yield(struct{}{}) // what was asked for cannot be called back, so ctx ends the call later
	switch {
	case t.killed || !answered:
		return nil, dialer.ErrDetached
	case s.replyLost:
		return nil, errSimReply // whatever it was
	}
	return rec, err
}

// follow stays with the call to its end.
func (d *simDialer) follow(
	ctx context.Context, rec *simRecord, s *script, report func(dialer.Progress),
) (dialer.Outcome, error) {
	w := d.p.w
	tell := func(stage dialer.Stage, at int64) {
		if s.noReports {
			return
		}
		p := dialer.Progress{Stage: stage, Ref: rec.ref, At: rec.at(d.p, at)}
		report(p)
		if s.twice {
			report(p)
		}
	}
	if s.reversed {
		defer func() { tell(dialer.Ringing, w.now); tell(dialer.Accepted, w.now) }()
	} else {
		tell(dialer.Accepted, w.now)
	}
	stages := []struct {
		stage dialer.Stage
		at    int64
	}{{dialer.Ringing, rec.rings}, {dialer.Connected, rec.connects}}
	for _, x := range stages {
		if x.at == 0 || x.at >= rec.ends {
			continue
		}
		if over, out, err := d.until(ctx, rec, s, x.at+int64(s.reportDelay)); over {
			return out, err
		}
		if x.stage == dialer.Connected || !s.reversed {
			tell(x.stage, x.at)
		}
	}
	for {
		if over, out, err := d.until(ctx, rec, s, rec.ends); over {
			return out, err
		}
		if rec.over {
			return rec.outcome(d.p), nil
		}
	}
}

// until waits for a moment, or says how the call ended meanwhile.
func (d *simDialer) until(
	ctx context.Context, rec *simRecord, s *script, at int64,
) (over bool, o dialer.Outcome, err error) {
	w := d.p.w
	for w.now < at || (at >= rec.ends && !rec.over) {
		if !d.sleep(ctx, time.Duration(max(min(at, rec.ends)-w.now, int64(time.Microsecond)))) {
			return true, o, dialer.ErrDetached
		}
		if ctx.Err() != nil {
			o, err = d.cancelled(ctx, rec, s)
			return true, o, err
		}
		if rec.over {
			break
		}
	}
	if rec.over && at < rec.ends {
		return true, rec.outcome(d.p), nil
	}
	return false, o, nil
}

// cancelled ends the call, or leaves it.
func (d *simDialer) cancelled(ctx context.Context, rec *simRecord, s *script) (dialer.Outcome, error) {
	w := d.p.w
	if s.deaf > 0 && !d.sleep(context.WithoutCancel(ctx), s.deaf) {
		return dialer.Outcome{}, dialer.ErrDetached
	}
	if dialer.Detached(ctx) {
		return dialer.Outcome{}, dialer.ErrDetached
	}
	connected := rec.connects > 0 && rec.connects <= w.now
	d.c.hangUp(rec, dialer.HangUpReason(ctx, connected), w.between(time.Millisecond, 300*time.Millisecond))
	for !rec.over {
		if !d.sleep(context.WithoutCancel(ctx), time.Duration(max(rec.ends-w.now, int64(time.Microsecond)))) {
			return dialer.Outcome{}, dialer.ErrDetached
		}
	}
	return rec.outcome(d.p), nil
}

// Resume finds out what the carrier has of a call.
func (d *simResumer) Resume(
	ctx context.Context, call dialer.Call, report func(dialer.Progress),
) (dialer.Outcome, error) {
	w := d.p.w
	dial := &simDial{p: d.p, c: d.c, dialer: d.number, call: w.ledger.calls[call.ID], ctx: ctx, resumed: true}
	if c := dial.call; c != nil && c.owner == d.p.node {
		dial.owner = c.owner
	}
	d.p.beginDial(dial)
	defer d.p.endDial(dial)
	if !d.sleep(ctx, w.between(time.Millisecond, 400*time.Millisecond)) {
		return dialer.Outcome{}, dialer.ErrDetached
	}
	rec := d.c.records[call.ID]
	if w.telling() {
		w.tell("%s resumes %s over %s: %v", d.p.name, call.ID, d.c.name, rec != nil)
	}
	switch {
	case dialer.Detached(ctx):
		return dialer.Outcome{}, dialer.ErrDetached
	case d.c.down && w.chance(2):
		return dialer.Outcome{}, &dialer.UnavailableError{}
	case d.c.down:
		return dialer.Outcome{}, errSimUnasked
	case rec == nil:
		w.seen.branch(resumedUnknown)
		return dialer.Outcome{}, dialer.ErrUnknownCall
	case rec.refused:
		w.seen.branch(resumedRefused)
		return dialer.Outcome{}, dialer.ErrNotPlaced
	}
	w.seen.branch(resumed)
	dial.rec = rec
	s := script{}
	if ctx.Err() != nil {
		return d.cancelled(ctx, rec, &s)
	}
	return d.follow(ctx, rec, &s, report)
}

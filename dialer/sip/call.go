package sip

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

// call is one call of Dial, with everything that was sent for it.
type call struct {
	d      *Dialer
	in     dialer.Call
	report func(dialer.Progress)
	values map[string]string // of the headers from metadata
	id     string            // Call-ID, the same at every trunk
	tag    string            // ours
	offer  []byte

	mediaMu sync.Mutex // a session is used by one goroutine at a time
	session media.Session

	// What follows belongs to Dial's goroutine.
	ring      <-chan time.Time // ringing is over
	stage     dialer.Stage
	alerted   bool // a phone has rung: there was a 180
	plays     bool // there was a 183 with a description, by which a gateway plays that it rings
	seq       uint32
	trunk     string
	at        times
	connected time.Time // somebody could talk
	details   map[string]string

	timer    sessionTimer
	ends     chan ending   // how the call ended, if not by Dial's goroutine; holds the first
	answered chan struct{} // closed when there is a call
	pickedUp chan struct{} // holds a token when an answer is hung up: nobody is to be called again; nil: nobody is

	mu      sync.Mutex
	invites map[string]*invite // by branch
	dialogs map[string]*dialog // by the far end's tag
	active  *dialog            // the one that is the call
	removes []func()           // see past
	leaving bool               // see leaves

	before []pastDialog // where it was raised from the past
}

// times is when things happened.
type times struct {
	invite, trying, ringing, answered, acked, ended time.Time

	seemed time.Time // the first 18x to an INVITE that was then challenged
}

func (d *Dialer) newCall(in dialer.Call, report func(dialer.Progress)) (*call, error) {
	for what, number := range map[string]dialer.Phone{"caller's": in.From, "callee's": in.To} {
		if err := checkUserPart(string(number)); err != nil {
			return nil, fmt.Errorf("the %s number: %w", what, err)
		}
	}
	if in.To == "" {
		return nil, errors.New("the callee's number: there is none")
	}
	if d.config.CallHeader != "" {
		if err := checkValue(in.ID); err != nil {
			return nil, fmt.Errorf("the call's ID: %w", err)
		}
	}
	values, err := valuesOf(in.Metadata, d.config.Headers)
	if err != nil {
		return nil, err
	}
	return &call{
		d: d, in: in, report: report, values: values, id: token(), tag: token(), details: map[string]string{},
		timer: sessionTimer{changed: make(chan struct{}, 1)},
		ends:  make(chan ending, 1), answered: make(chan struct{}), pickedUp: make(chan struct{}, 1),
		invites: map[string]*invite{}, dialogs: map[string]*dialog{},
	}, nil
}

// run places the call and follows it to its end.
func (c *call) run(ctx context.Context) (dialer.Outcome, error) {
	ring, stop := elapsed(c.in.RingTimeout)
	defer stop()
	c.ring = ring
	if err := c.open(ctx); err != nil {
		if ctx.Err() != nil {
			return c.outcome(c.cancelled(ctx)), nil
		}
		return dialer.Outcome{}, notOpened(err)
	}
	defer c.closeSession() //nolint:contextcheck // it goes on when the call is over
	c.d.book.add(c)
	defer c.d.book.retire(c)
	g, e, err := c.place(ctx)
	if err != nil {
		return dialer.Outcome{}, err
	}
	if g != nil {
		e = c.talk(ctx, g)
	}
	return c.outcome(e), nil
}

// notOpened is the error of a call that has no media. Without an agent or a port now the callee waits:
// nobody is written off because the agents are being restarted. Nor do the calls for other agents wait.
func notOpened(err error) error {
	_, known := errors.AsType[*dialer.UnavailableError](err)
	switch {
	case known:
		return err
	case errors.Is(err, media.ErrAgent), errors.Is(err, errAgentLate):
		return &dialer.UnavailableError{Cause: err, AgentOnly: true}
	case errors.Is(err, media.ErrNoPort):
		return &dialer.UnavailableError{Cause: err}
	}
	return fmt.Errorf("%w: %w", dialer.ErrNotPlaced, err)
}

// errAgentLate is the cause of the end of an Open that took as long as the phone may ring.
var errAgentLate = errors.New("the media was not ready in the time that the phone may ring")

// open makes the session, which may take as long as the phone may ring.
func (c *call) open(ctx context.Context) error {
	if c.in.RingTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.in.RingTimeout, errAgentLate)
		defer cancel()
	}
	session, err := c.d.media.Open(ctx, c.in)
	if err != nil {
		if errors.Is(context.Cause(ctx), errAgentLate) && !errors.Is(err, errAgentLate) {
			err = errors.Join(errAgentLate, err)
		}
		return fmt.Errorf("opening the media: %w", err)
	}
	c.session = session
	if c.offer, err = session.Offer(); err != nil {
		c.closeSession() //nolint:contextcheck // see run
		return fmt.Errorf("describing the media: %w", err)
	}
	return nil
}

// closeSession has the session closed in the background: its agent may take its time to take leave.
func (c *call) closeSession() {
	c.mediaMu.Lock()
	session := c.session
	c.session = nil
	c.mediaMu.Unlock()
	if session == nil {
		return
	}
	closing := func(context.Context) {
		if err := session.Close(); err != nil {
			c.d.log.Warn("closing the media of a call", "call", c.in.ID, "error", err)
		}
	}
	if !c.d.work.background(closing) {
		closing(context.Background())
	}
}

// withSession lets f use the session, unless the call is over.
func (c *call) withSession(f func(media.Session) error) error {
	c.mediaMu.Lock()
	defer c.mediaMu.Unlock()
	if c.session == nil {
		return errOver
	}
	return f(c.session)
}

// reach reports a stage, once and in order.
func (c *call) reach(stage dialer.Stage, at time.Time) {
	if stage > c.stage {
		c.stage = stage
		c.report(dialer.Progress{Stage: stage, At: at, Ref: c.id})
	}
}

// end ends the call from another goroutine.
func (c *call) end(e ending) {
	select {
	case c.ends <- e:
	default: // it ends already
	}
}

// note makes the INVITE one that responses are taken for.
func (c *call) note(inv *invite) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.invites[branchOf(inv.req)] = inv
}

// pickUp notes that there was an answer that is hung up.
func (c *call) pickUp() {
	select {
	case c.pickedUp <- struct{}{}:
	default:
	}
}

// wasPickedUp says whether there was one. The call ends by it.
func (c *call) wasPickedUp() bool {
	select {
	case <-c.pickedUp:
		return true
	default:
		return false
	}
}

// keep makes the dialog one that requests are taken for.
func (c *call) keep(g *dialog) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialogs[g.tag] = g
}

// activate makes the dialog the call.
func (c *call) activate(g *dialog) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialogs[g.tag] = g
	c.active = g
	close(c.answered)
}

func (c *call) isActive(g *dialog) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.active == g
}

func (c *call) invite(branch string) *invite {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.invites[branch]
}

func (c *call) dialog(tag string) *dialog {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dialogs[tag]
}

// numbers is what numbers our requests in the dialog with that tag, also in the past; nil: there was none.
func (c *call) numbers(tag string) *atomic.Uint32 {
	if g := c.dialog(tag); g != nil {
		return g.numbers
	}
	i := slices.IndexFunc(c.before, func(old pastDialog) bool { return old.tag == tag })
	if i < 0 {
		return nil
	}
	return c.before[i].numbers
}

// leaves says whether a call that was raised from the past is to be forgotten: the second time that
// it is asked.
func (c *call) leaves() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.leaving
	c.leaving = true
	return was
}

// forget is called when nothing can come any more for a call that was raised from the past.
func (c *call) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	release(c.removes)
	for _, inv := range c.invites {
		if inv.re == nil {
			inv.flow.release()
		}
	}
	for _, g := range c.dialogs {
		release(g.given())
	}
}

// stray is what sipgo finds no transaction for: see invite.
func (d *Dialer) stray(res *msg.Response) {
	if methodOf(res) != msg.INVITE {
		return
	}
	c, p := d.book.find(callIDOf(res))
	if p != nil {
		p.stray(d, res)
	}
	if c == nil || fromTag(res) != c.tag {
		return
	}
	if inv := c.invite(branchOf(res)); inv != nil {
		inv.stray(res)
	}
}

package twilio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/outdial/outdial/dialer"
)

// maxFromAgent is the longest message of an agent's that is read: a minute and a half of audio.
const maxFromAgent = 1 << 20

var (
	errSilent = errors.New("nothing came from Twilio")
	errParted = errors.New("the stream is over")
)

// relay passes messages between Twilio and an agent, one at a time in each direction: a side that
// is slow slows the other one down, and nothing piles up here. Whoever reads from a connection is the one
// who says how it ended.
type relay struct {
	config  Agent
	opening opening
	twilio  *websocket.Conn
	agent   *websocket.Conn
	closing func(verdict, string) // told who ended it, at once
	reached func(bool)            // told whether the agent was

	first  atomic.Uint32 // the verdict
	isGone atomic.Bool   // the agent is
	played chan struct{} // closed when Twilio has played all that the agent sent
}

// serve connects to the agent and returns when the stream is over.
func (p *relay) serve(ctx context.Context, call dialer.Call) {
	err := p.connect(ctx, call)
	p.reached(err == nil)
	if err != nil {
		p.end(agentFailed, err.Error())
		part(ctx, p.twilio, websocket.StatusNormalClosure)
		return
	}
	defer p.agent.CloseNow() //nolint:errcheck // it is gone
	ctx, cancel := context.WithCancelCause(ctx)
	var tasks sync.WaitGroup
	down, up := make(chan struct{}), make(chan struct{})
	tasks.Go(func() {
		defer close(down)
		p.down(ctx, cancel)
	})
	tasks.Go(func() {
		defer close(up)
		p.up(ctx)
	})
	if p.config.PingEvery > 0 {
		tasks.Go(func() { p.ping(ctx) })
	}
	gone := p.twilio
	select {
	case <-down:
		gone = p.agent
	case <-up:
		p.farewell(ctx, down)
	}
	// Who reads from the connection keeps part from doing so.
	late := time.AfterFunc(partTime, func() { cancel(errParted) })
	defer late.Stop()
	part(ctx, gone, websocket.StatusNormalClosure)
	cancel(errParted)
	tasks.Wait()
}

// end keeps the first verdict.
func (p *relay) end(v verdict, message string) {
	if p.first.CompareAndSwap(uint32(noStream), uint32(v)) {
		p.closing(v, message)
	}
}

func (p *relay) verdict() verdict { return verdict(p.first.Load()) } //nolint:gosec // it was one

// connect opens the connection to the agent and passes on how the stream began. The error never has the
// agent's URL.
func (p *relay) connect(ctx context.Context, call dialer.Call) error {
	ctx, cancel := context.WithTimeout(ctx, p.config.ConnectTimeout)
	defer cancel()
	conn, err := p.config.dial(ctx, call)
	if err != nil {
		return err
	}
	conn.SetReadLimit(maxFromAgent)
	for _, message := range [][]byte{p.opening.connected, p.opening.start} {
		if err := conn.Write(ctx, websocket.MessageText, message); err != nil && len(message) > 0 {
			conn.CloseNow() //nolint:errcheck,gosec // it is gone
			return errors.New("connecting to the agent: it did not take the beginning")
		}
	}
	p.agent = conn
	return nil
}

// down passes on what Twilio says, until it stops.
func (p *relay) down(ctx context.Context, cancel context.CancelCauseFunc) {
	quiet := time.AfterFunc(time.Hour, func() {
		p.end(silent, "") // before the connection breaks off, by which Twilio ends the call
		cancel(errSilent)
	})
	defer quiet.Stop()
	for {
		p.await(quiet)
		kind, message, err := p.twilio.Read(ctx)
		quiet.Stop()
		if err != nil {
			p.end(broken, "")
			return
		}
		event := eventIn(message)
		switch {
		case p.isGone.Load():
			if event == "mark" && isLastMark(message) {
				close(p.played)
				return
			}
		case !p.toAgent(ctx, kind, message):
			p.isGone.Store(true) // its reader will say why
		}
		if event == "stop" {
			p.end(stopped, "")
			return
		}
	}
}

func (p *relay) await(quiet *time.Timer) {
	if p.config.Inactivity > 0 {
		quiet.Reset(p.config.Inactivity)
	} else {
		quiet.Stop()
	}
}

// toAgent gives up on an agent that does not read.
func (p *relay) toAgent(ctx context.Context, kind websocket.MessageType, message []byte) bool {
	timer := time.AfterFunc(p.config.ConnectTimeout, func() { p.agent.CloseNow() }) //nolint:errcheck,gosec // it is gone
	defer timer.Stop()
	return p.agent.Write(ctx, kind, message) == nil
}

// toTwilio gives up on a Twilio that does not read.
func (p *relay) toTwilio(ctx context.Context, kind websocket.MessageType, message []byte) bool {
	if p.config.Inactivity > 0 {
		timer := time.AfterFunc(p.config.Inactivity, func() { p.twilio.CloseNow() }) //nolint:errcheck,gosec // it is gone
		defer timer.Stop()
	}
	return p.twilio.Write(ctx, kind, message) == nil
}

// up passes on what the agent says, until it hangs up.
func (p *relay) up(ctx context.Context) {
	defer p.isGone.Store(true)
	isTaken := true
	for {
		kind, message, err := p.agent.Read(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			p.end(broken, "")
			return
		case err != nil:
			p.end(agentVerdict(err))
			return
		}
		if event := eventIn(message); kind != websocket.MessageText ||
			(event != "media" && event != "mark" && event != "clear") {
			p.end(agentFailed, fmt.Sprintf("the agent sent %.40q: expected media, mark or clear", event))
			part(ctx, p.agent, websocket.StatusPolicyViolation)
			return
		}
		isTaken = isTaken && p.toTwilio(ctx, kind, message) // else its reader will say why
	}
}

// agentVerdict is what the end of the agent's connection means, as package sip/bridge has it.
func agentVerdict(err error) (verdict, string) {
	if errors.Is(err, websocket.ErrMessageTooBig) {
		return agentFailed, fmt.Sprintf("the agent sent a message of more than %d bytes", maxFromAgent)
	}
	switch status := websocket.CloseStatus(err); status {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway, websocket.StatusNoStatusRcvd:
		return agentHungUp, ""
	case -1:
		return agentLost, ""
	default:
		return agentFailed, fmt.Sprintf("the agent closed the connection with status %d", int(status))
	}
}

// farewell has the callee hear out what the agent said before it hung up.
func (p *relay) farewell(ctx context.Context, down <-chan struct{}) {
	if p.verdict() != agentHungUp || p.twilio.Write(ctx, websocket.MessageText, markOf(p.opening.streamSID)) != nil {
		return
	}
	timer := time.NewTimer(p.config.Farewell)
	defer timer.Stop()
	select {
	case <-p.played:
	case <-down:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// ping finds out that an agent is gone which did not say so.
func (p *relay) ping(ctx context.Context) {
	ticker := time.NewTicker(p.config.PingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		pinging, cancel := context.WithTimeout(ctx, p.config.PingEvery)
		err := p.agent.Ping(pinging)
		cancel()
		if err != nil {
			p.agent.CloseNow() //nolint:errcheck,gosec // its reader says that it is lost
			return
		}
	}
}

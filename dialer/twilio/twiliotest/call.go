package twiliotest

import (
	"net/url"
	"strconv"
	"sync"
	"time"
)

// call is a call of the account, which lives by itself.
type call struct {
	twilio  *Twilio
	form    url.Values // of the request that created it
	behaves Behaviour
	isDecoy bool
	sid     string

	outbox  chan func()   // callbacks, which come in order but do not keep the call waiting
	told    chan string   // the status that it was told to have
	streams chan struct{} // closed when its stream has ended

	mu       sync.Mutex
	status   string
	sequence int
	created  time.Time
	dialled  time.Time
	answered time.Time
	ended    time.Time
	rang     bool
	listedAt time.Time
}

func (t *Twilio) newCall(form url.Values) *call {
	t.mu.Lock()
	b := t.behaviour(form.Get("To")).Behaviour
	t.mu.Unlock()
	now := time.Now()
	return &call{
		twilio: t, form: form, behaves: b, told: make(chan string, 16),
		outbox: make(chan func(), 16), streams: make(chan struct{}),
		status: "queued", created: now, listedAt: now.Add(b.Listed),
	}
}

// place begins the call's life.
func (t *Twilio) place(form url.Values) *call {
	c := t.newCall(form)
	for range c.behaves.Decoys {
		decoy := t.newCall(form)
		decoy.isDecoy, decoy.status, decoy.listedAt = true, "completed", decoy.created
		t.add(decoy)
	}
	t.add(c)
	t.background(func() {
		defer close(c.outbox)
		c.live()
	})
	t.background(func() {
		for work := range c.outbox {
			work()
		}
	})
	return c
}

func (c *call) live() {
	b := c.behaves
	if !c.pass(b.Queue+c.twilio.wait(), "") {
		return
	}
	c.become("initiated")
	if b.End == "failed" {
		c.end("failed")
		return
	}
	c.become("ringing")
	limit := c.limit("Timeout", 60*time.Second)
	if b.Ring > limit {
		if c.pass(limit, "") {
			c.end("no-answer")
		}
		return
	}
	if !c.pass(b.Ring, "") {
		return
	}
	if b.End != "" {
		c.end(b.End)
		return
	}
	c.become("in-progress")
	c.detect()
	c.twilio.background(c.stream)
	if c.pass(min(b.Talk, c.limit("TimeLimit", 4*time.Hour)), "in-progress") {
		c.end("completed")
	}
}

// pass lets time pass. It is false if the call ended in the meantime.
func (c *call) pass(d time.Duration, during string) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	streams := c.streams
	if during != "in-progress" {
		streams = nil
	}
	for {
		select {
		case <-timer.C:
			return true
		case <-c.twilio.ctx.Done():
			return false
		case <-streams:
			c.end("completed")
			return false
		case status := <-c.told:
			switch {
			case c.behaves.Deaf:
				continue
			case during == "in-progress" && status == "canceled":
				continue // does nothing to a call that was answered
			case during == "in-progress":
				c.end("completed")
			case status == "completed" && c.behaves.Cancels != "":
				c.end(c.behaves.Cancels)
			default:
				c.end("canceled")
			}
			return false
		}
	}
}

// limit is one that Twilio was asked to keep.
func (c *call) limit(name string, otherwise time.Duration) time.Duration {
	if c.behaves.Deaf {
		return Forever
	}
	n, err := strconv.Atoi(c.form.Get(name))
	if err != nil {
		return otherwise
	}
	return time.Duration(n) * time.Second
}

// become is a step of its life.
func (c *call) become(status string) {
	c.mu.Lock()
	now := time.Now()
	switch status {
	case "initiated":
		c.dialled = now
	case "ringing":
		c.status, c.rang = status, true
	case "in-progress":
		c.status, c.answered = status, now
	default:
		c.status, c.ended = status, now
	}
	fields := c.fields(status)
	c.sequence++
	c.mu.Unlock()
	c.notify(status, fields)
}

func (c *call) end(status string) { c.become(status) }

func (c *call) entry() Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Entry{
		SID: c.sid, From: c.form.Get("From"), To: c.form.Get("To"), CallID: c.id(),
		Dialled: !c.dialled.IsZero(), Rang: c.rang, Answered: !c.answered.IsZero(), Status: c.status,
	}
}

func (c *call) id() string {
	u, err := url.Parse(c.form.Get("StatusCallback"))
	if err != nil {
		return ""
	}
	return u.Query().Get("call")
}

func (c *call) isOver() bool { return isFinal(c.entry().Status) }

// duration is in whole seconds, as Twilio counts.
func (c *call) duration() int {
	if c.answered.IsZero() {
		return 0
	}
	return int(c.ended.Sub(c.answered).Round(time.Second) / time.Second)
}

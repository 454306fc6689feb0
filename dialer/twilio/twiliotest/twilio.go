package twiliotest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Config describes the account. AccountSID and AuthToken are required.
type Config struct {
	AccountSID, AuthToken string
	APIKey, APISecret     string

	// CPS is how many calls are dialled each second; the others wait. Zero: no limit.
	CPS float64

	// Ahead is how far its clock is ahead.
	Ahead time.Duration

	// Zone is the time zone of its dates, which are otherwise UTC.
	Zone *time.Location

	// Idle is how many connections to the host are kept. Zero: 200.
	Idle int

	// MediaEvery is how often a stream has audio. Zero: 20 ms.
	MediaEvery time.Duration
}

// Twilio is the account, and all that goes on in it. It is safe for concurrent use.
type Twilio struct {
	config Config
	http   *http.Client

	//nolint:containedctx // the life of the stand-in
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu      sync.Mutex
	token   string // the auth token that it takes
	status  string // of the account
	kind    string
	scripts map[string]*script // by number

	otherwise Behaviour // of numbers without one

	calls   map[string]*call // by SID
	order   []*call          // as created
	byTo    map[string][]*call
	made    int            // callbacks
	taken   int            // those with an answer of 2xx
	heard   map[string]int // messages of the other side by event
	nextSID int
	slot    time.Time // when the next call may be dialled
	closed  bool
}

// script is a behaviour, and how much of it has been used.
type script struct {
	Behaviour

	used map[string]int // requests by kind
}

// New returns an account without calls. Close ends it.
func New(c Config) *Twilio {
	if c.MediaEvery == 0 {
		c.MediaEvery = 20 * time.Millisecond
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.Idle == 0 {
		c.Idle = 200
	}
	t := &Twilio{
		config: c, token: c.AuthToken, status: "active", kind: "Full",
		http: &http.Client{Transport: &http.Transport{
			MaxIdleConns: c.Idle, MaxIdleConnsPerHost: c.Idle, DisableCompression: true,
		}},
		scripts: map[string]*script{}, calls: map[string]*call{}, heard: map[string]int{}, byTo: map[string][]*call{},
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// Close ends all calls, without a callback, and waits for what goes on.
func (t *Twilio) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.cancel()
	t.tasks.Wait()
	t.http.CloseIdleConnections()
}

// Default says what becomes of calls to numbers without a script. Its faults of requests are counted for each
// number by itself.
func (t *Twilio) Default(b Behaviour) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.otherwise = b
}

// Account says what the account's own resource has as status (active, suspended, closed) and type
// (Full, Trial).
func (t *Twilio) Account(status, kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status, t.kind = status, kind
}

// Script says what becomes of calls to a number from now on.
func (t *Twilio) Script(number string, b Behaviour) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.scripts[number] = &script{Behaviour: b, used: map[string]int{}}
}

// Expire makes the account refuse its auth token, or take it again.
func (t *Twilio) Expire(expired bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = t.config.AuthToken
	if expired {
		t.token = ""
	}
}

// Age makes the calls that there are older.
func (t *Twilio) Age(by time.Duration) {
	t.mu.Lock()
	calls := slices.Clone(t.order)
	t.mu.Unlock()
	for _, c := range calls {
		c.mu.Lock()
		c.created = c.created.Add(-by)
		c.mu.Unlock()
	}
}

// Entry is a call in the books.
type Entry struct {
	SID, From, To string
	CallID        string // the parameter of the status callback's URL
	Dialled, Rang bool
	Answered      bool
	Status        string
}

// Books returns every call that was placed, in order.
func (t *Twilio) Books() []Entry {
	t.mu.Lock()
	calls := slices.Clone(t.order)
	t.mu.Unlock()
	entries := make([]Entry, 0, len(calls))
	for _, c := range calls {
		if !c.isDecoy {
			entries = append(entries, c.entry())
		}
	}
	return entries
}

// Placed returns how many calls were placed.
func (t *Twilio) Placed() int { return len(t.Books()) }

// Live returns how many calls are not over.
func (t *Twilio) Live() int {
	n := 0
	for _, e := range t.Books() {
		if !isFinal(e.Status) {
			n++
		}
	}
	return n
}

// Callbacks returns how many requests were made to the host, and how many of them it took.
func (t *Twilio) Callbacks() (made, taken int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.made, t.taken
}

// Heard returns how many messages came over the streams, by event.
func (t *Twilio) Heard() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.heard)
}

func (t *Twilio) hear(event string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heard[event]++
}

func isFinal(status string) bool {
	return slices.Contains([]string{"completed", "busy", "no-answer", "failed", "canceled"}, status)
}

// behaviour returns the script of a number. The account is locked.
func (t *Twilio) behaviour(number string) *script {
	if s := t.scripts[number]; s != nil {
		return s
	}
	s := &script{Behaviour: t.otherwise, used: map[string]int{}}
	t.scripts[number] = s
	return s
}

// fault takes the next fault for a kind of request.
func (t *Twilio) fault(number, kind string) Fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.behaviour(number)
	n := s.used[kind]
	s.used[kind]++
	faults := map[string][]Fault{"create": s.Create, "update": s.Update, "fetch": s.Fetch, "list": s.List}[kind]
	switch {
	case kind == "create" && s.Always != nil:
		return *s.Always
	case n < len(faults):
		return faults[n]
	}
	return Fault{}
}

// background runs a task that Close waits for.
func (t *Twilio) background(task func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.tasks.Go(task)
	}
}

// add puts a call into the books.
func (t *Twilio) add(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nextSID++
	c.sid = fmt.Sprintf("CA%032x", t.nextSID)
	t.calls[c.sid] = c
	t.order = append(t.order, c)
	to := c.form.Get("To")
	t.byTo[to] = append(t.byTo[to], c)
}

// wait is until the account may dial the next call.
func (t *Twilio) wait() time.Duration {
	if t.config.CPS == 0 {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.slot.Before(now) {
		t.slot = now
	}
	d := t.slot.Sub(now)
	t.slot = t.slot.Add(time.Duration(float64(time.Second) / t.config.CPS))
	return d
}

func (t *Twilio) find(sid string) *call {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls[sid]
}

package sip_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// leg is a call at the peer, as its script sees it.
type leg struct {
	p         *peer
	first     *message // its first INVITE
	id        string
	tag       string // ours, unless a test forks
	requests  chan *message
	responses chan *message
	closed    chan struct{}
	played    chan struct{} // closed when the script has ended
	closeOnce sync.Once

	mu     sync.Mutex
	manual map[string]bool // methods that the script answers itself
	seen   []string        // what came, without what came again
	invite *message        // the last INVITE
	final  bool            // it has a final response
	seq    int
	route  []string // Record-Route headers of our responses
}

func newLeg(p *peer, m *message) *leg {
	return &leg{
		p: p, first: m, id: m.get("Call-ID"), tag: fmt.Sprintf("peer%d", len(p.legs)), invite: m,
		requests: make(chan *message, 64), responses: make(chan *message, 64),
		closed: make(chan struct{}), played: make(chan struct{}), manual: map[string]bool{},
	}
}

// byHand has the script answer these methods. It is called first.
func (l *leg) byHand(methods ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, method := range methods {
		l.manual[method] = true
	}
}

// take does with a request what every carrier does, unless the script does.
func (l *leg) take(m *message) {
	method := m.method()
	l.mu.Lock()
	l.seen = append(l.seen, method)
	manual := l.manual[method]
	if method == "INVITE" {
		l.invite = m
		l.final = false
	}
	l.mu.Unlock()
	if method == "ACK" {
		l.book(m.toTag(), func(a *answer) { a.acked = true })
	}
	if !manual {
		switch method {
		case "BYE":
			l.reply(m, 200, "OK")
		case "CANCEL":
			l.cancel(m)
		case "PRACK", "UPDATE", "OPTIONS", "INFO":
			l.reply(m, 200, "OK")
		}
	}
	l.requests <- m
}

func (l *leg) cancel(m *message) {
	l.reply(m, 200, "OK")
	l.mu.Lock()
	invite, final := l.invite, l.final
	l.mu.Unlock()
	if !final {
		again := *invite
		again.answer = m.answer // its own connection may be gone
		l.reply(&again, 487, "Request Terminated")
	}
}

func (l *leg) book(tag string, change func(*answer)) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if a := l.p.live[l.id+tag]; a != nil {
		change(a)
	}
}

// expect waits for a request of the method, and skips others.
func (l *leg) expect(method string) *message {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case m := <-l.requests:
			if m.method() == method {
				return m
			}
		case <-timeout.C:
			l.p.t.Errorf("no %s came: only %v", method, l.saw())
			return nothing
		case <-l.closed:
			return nothing
		}
	}
}

// afterwards is expect for a test itself: the script is first, which may wait for something else that came before.
func (l *leg) afterwards(method string) *message {
	select {
	case <-l.played:
		return l.expect(method)
	case <-time.After(patience):
		l.p.t.Errorf("the script does not end, so no %s was looked for: only %v", method, l.saw())
		return nothing
	}
}

// saw is what came so far.
func (l *leg) saw() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.seen)
}

// pause lets time pass at the carrier.
func (l *leg) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.closed:
	}
}

// reply answers a request, with more headers.
func (l *leg) reply(m *message, code int, phrase string, more ...string) {
	l.replyAs(l.tag, m, code, phrase, "", more...)
}

// replyAs answers with a tag, as one branch of a fork does, and a body.
func (l *leg) replyAs(tag string, m *message, code int, phrase, body string, more ...string) {
	if m == nothing {
		return
	}
	if code > 100 && m.method() == "INVITE" && !slices.ContainsFunc(more, isContact) {
		more = append([]string{"Contact: " + l.p.contact()}, more...)
	}
	l.mu.Lock()
	for _, route := range l.route {
		more = append(more, "Record-Route: "+route)
	}
	if m.method() == "INVITE" && code >= 200 {
		l.final = true
	}
	l.mu.Unlock()
	switch {
	case m.method() == "INVITE" && code/100 == 2 && m.toTag() == "":
		l.p.mu.Lock()
		if l.p.live[l.id+tag] == nil {
			l.p.live[l.id+tag] = &answer{}
		}
		l.p.mu.Unlock()
	case m.method() == "BYE" && code/100 == 2:
		l.book(m.toTag(), func(a *answer) { a.over = true })
	}
	if code == 100 {
		tag = ""
	}
	response := m.response(code, phrase, tag, more, body)
	if code >= 200 {
		l.p.keepReply(m, response)
	}
	m.answer(response)
}

func isContact(line string) bool { return strings.HasPrefix(line, "Contact:") }

func (l *leg) trying() { l.reply(l.current(), 100, "Trying") }
func (l *leg) ring()   { l.reply(l.current(), 180, "Ringing") }

func (l *leg) current() *message {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.invite
}

// accept answers the INVITE.
func (l *leg) accept(more ...string) {
	l.replyAs(l.tag, l.current(), 200, "OK", sdp, more...)
}

// talk rings and answers, and waits for the ACK.
func (l *leg) talk(more ...string) {
	l.ring()
	l.accept(more...)
	l.expect("ACK")
}

// begin sends a request in the call, and returns a function that waits for its final response.
func (l *leg) begin(method, body string, more ...string) func() *message {
	l.mu.Lock()
	l.seq++
	seq := l.seq
	l.mu.Unlock()
	return l.beginAs(l.tag, l.first.fromTag(), seq, method, body, more...)
}

// beginAs is begin with tags and a number that may be wrong.
func (l *leg) beginAs(ours, theirs string, seq int, method, body string, more ...string) func() *message {
	l.write(ours, theirs, seq, method, body, more...)
	return func() *message {
		timeout := time.NewTimer(patience)
		defer timeout.Stop()
		for {
			select {
			case m := <-l.responses:
				if m.method() != method || m.seq() != seq || m.code() < 200 {
					continue
				}
				if method == "BYE" && m.code() == 200 {
					l.book(ours, func(a *answer) { a.over = true })
				}
				if method == "INVITE" && m.code() == 200 {
					return m // the script acknowledges
				}
				if method == "INVITE" {
					l.write(ours, theirs, seq, "ACK", "")
				}
				return m
			case <-timeout.C:
				l.p.t.Errorf("%s was not answered", method)
				return nothing
			case <-l.closed:
				return nothing
			}
		}
	}
}

func (l *leg) write(ours, theirs string, seq int, method, body string, more ...string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\n", method, l.first.contact())
	fmt.Fprintf(&b, "Via: SIP/2.0/%s %s;branch=z9hG4bK%s%s%d;rport\r\n", strings.ToUpper(l.p.transport), l.p.addr(), l.id, method, seq)
	fmt.Fprintf(&b, "Max-Forwards: 70\r\nFrom: %s;tag=%s\r\n", strings.Split(l.first.get("To"), ";tag")[0], ours)
	fmt.Fprintf(&b, "To: <%s>;tag=%s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n", find(uriPattern, l.first.get("From")), theirs, l.id, seq, method)
	if !slices.ContainsFunc(more, isContact) {
		more = append(more, "Contact: "+l.p.contact())
	}
	finish(&b, more, body)
	l.first.answer(b.String())
}

// bye hangs up, and returns the answer.
func (l *leg) bye(more ...string) *message { return l.begin("BYE", "", more...)() }

package siptest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// message is one of those that a carrier sent or received.
type message struct {
	sent  bool
	first string            // line
	head  map[string]string // the first value of each header, by its name in lower case
	raw   string
}

// trace reads the messages that SIPp wrote down, in order, without those that came or went again.
func (c *carrier) trace() []message { return parseTrace(c.t, c.file("trace")) }

// sofar is the same while SIPp may be writing: the last message may be a part.
func (c *carrier) sofar() []message { return parseTrace(c.t, c.file("trace")) }

func parseTrace(tb testing.TB, text string) []message {
	tb.Helper()
	const line = "----------------------------------------------- "
	var all []message
	known := map[string]bool{}
	for _, part := range strings.Split(text, line)[1:] {
		_, part, _ = strings.Cut(part, "\n") // the time
		kind, raw, ok := strings.Cut(part, "\n\n")
		if !ok || !strings.Contains(kind, "message") {
			continue
		}
		m := parseMessage(raw)
		m.sent = strings.Contains(kind, "sent")
		require.True(tb, m.sent || strings.Contains(kind, "received"), kind)
		if known[m.identity()] {
			continue
		}
		known[m.identity()] = true
		all = append(all, m)
	}
	return all
}

func parseMessage(raw string) message {
	raw = strings.ReplaceAll(strings.TrimLeft(raw, "\r\n"), "\r\n", "\n")
	head, _, _ := strings.Cut(raw, "\n\n")
	first, rest, _ := strings.Cut(head, "\n")
	m := message{first: first, head: map[string]string{}, raw: raw}
	for line := range strings.Lines(rest) {
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, again := m.head[name]; !again {
			m.head[name] = strings.TrimSpace(value)
		}
	}
	return m
}

// identity is the same for a message and for the same one sent again.
func (m message) identity() string {
	direction := "in "
	if m.sent {
		direction = "out "
	}
	return direction + m.first + "\n" + m.head["via"] + "\n" + m.head["cseq"] + "\n" + m.head["to"]
}

func (m message) isResponse() bool { return strings.HasPrefix(m.first, "SIP/2.0 ") }

// code is that of a response.
func (m message) code() string { return strings.Fields(m.first + " - -")[1] }

// method is that of the request that it is or belongs to.
func (m message) method() string {
	fields := strings.Fields(m.head["cseq"])
	return fields[len(fields)-1]
}

func (m message) tag(header string) string {
	_, tag, _ := strings.Cut(m.head[header], ";tag=")
	tag, _, _ = strings.Cut(tag, ";")
	return tag
}

// String is the method, or the code and the method.
func (m message) String() string {
	if m.isResponse() {
		return m.code() + "/" + m.method()
	}
	return m.method()
}

// heard is what the carrier received, in order.
func heard(trace []message) string {
	var all []string
	for _, m := range trace {
		if !m.sent {
			all = append(all, m.String())
		}
	}
	return strings.Join(all, " ")
}

// ladder is the whole of it, for who has to find out what went wrong.
func ladder(trace []message) string {
	var b strings.Builder
	for _, m := range trace {
		arrow := "-> "
		if m.sent {
			arrow = "<- "
		}
		b.WriteString(arrow + m.String() + "\n")
	}
	return b.String()
}

// of returns the n-th message of the kind that the carrier received, n from 0.
func of(tb testing.TB, trace []message, kind string, n int) message {
	tb.Helper()
	for _, m := range trace {
		if !m.sent && m.String() == kind {
			if n == 0 {
				return m
			}
			n--
		}
	}
	require.Failf(tb, "the carrier did not get it", "%s\n%s", kind, ladder(trace))
	return message{}
}

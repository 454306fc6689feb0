package sip_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// message is a SIP message as the peer reads it: with a reader of its own, so that a mistake
// of the library is not made twice.
type message struct {
	raw    string
	start  string
	fields [][2]string
	body   string
	answer func(string) // writes to where it came from
}

// nothing is what a script gets that waits in vain. The test fails anyway.
var nothing = &message{start: "NOTHING x x", answer: func(string) {}}

func readMessage(raw string) *message {
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	m := &message{raw: raw, start: lines[0], body: body}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		m.fields = append(m.fields, [2]string{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	return m
}

func (m *message) all(name string) []string {
	var values []string
	for _, field := range m.fields {
		if strings.EqualFold(field[0], name) {
			values = append(values, field[1])
		}
	}
	return values
}

func (m *message) get(name string) string { return strings.Join(m.all(name), ", ") }

func (m *message) isResponse() bool { return strings.HasPrefix(m.start, "SIP/2.0 ") }

func (m *message) method() string {
	if m.isResponse() {
		_, method, _ := strings.Cut(m.get("CSeq"), " ")
		return method
	}
	method, _, _ := strings.Cut(m.start, " ")
	return method
}

func (m *message) code() int {
	if !m.isResponse() {
		return 0
	}
	code, _ := strconv.Atoi(strings.Fields(m.start)[1])
	return code
}

// uri is the Request-URI.
func (m *message) uri() string { return strings.Fields(m.start)[1] }

func (m *message) seq() int {
	number, _, _ := strings.Cut(m.get("CSeq"), " ")
	n, _ := strconv.Atoi(number)
	return n
}

var (
	tagPattern    = regexp.MustCompile(`;tag=([^;>\s]+)`)
	branchPattern = regexp.MustCompile(`;branch=([^;>\s]+)`)
	userPattern   = regexp.MustCompile(`^sips?:([^@]+)@`)
	uriPattern    = regexp.MustCompile(`<([^>]+)>`)
)

func find(p *regexp.Regexp, s string) string {
	if found := p.FindStringSubmatch(s); found != nil {
		return found[1]
	}
	return ""
}

func (m *message) toTag() string   { return find(tagPattern, m.get("To")) }
func (m *message) fromTag() string { return find(tagPattern, m.get("From")) }
func (m *message) branch() string  { return find(branchPattern, m.get("Via")) }
func (m *message) contact() string { return find(uriPattern, m.get("Contact")) }

// user is the number dialled.
func (m *message) user() string { return find(userPattern, m.uri()) }

// response writes the response to the request, with more headers and a body.
func (m *message) response(code int, phrase, tag string, more []string, body string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", code, phrase)
	for _, via := range m.all("Via") {
		fmt.Fprintf(&b, "Via: %s\r\n", via)
	}
	to := m.get("To")
	if tag != "" && m.toTag() == "" {
		to += ";tag=" + tag
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n", m.get("From"), to, m.get("Call-ID"), m.get("CSeq"))
	finish(&b, more, body)
	return b.String()
}

func finish(b *strings.Builder, more []string, body string) {
	for _, line := range more {
		b.WriteString(line + "\r\n")
	}
	if body != "" && !strings.Contains(strings.Join(more, "\n"), "Content-Type:") {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(b, "Content-Length: %d\r\n\r\n%s", len(body), body)
}

// sdp is what the peer describes.
const sdp = "v=0\r\no=peer 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"

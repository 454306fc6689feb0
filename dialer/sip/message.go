package sip

import (
	"bytes"
	"crypto/rand"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"time"

	msg "github.com/emiago/sipgo/sip"
)

const (
	allowed   = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE"
	supported = "100rel, timer"
	sdpType   = "application/sdp"
)

// token is a random text that nobody can guess, for tags and Call-IDs.
func token() string { return strings.ToLower(rand.Text()) }

func maxForwards() *msg.MaxForwardsHeader {
	h := msg.MaxForwardsHeader(70) //nolint:mnd // RFC 3261, section 8.1.1.6
	return &h
}

func header(m msg.Message, name string) string {
	hs := m.GetHeaders(name)
	values := make([]string, len(hs))
	for i, h := range hs {
		values[i] = h.Value()
	}
	return strings.Join(values, ",")
}

// either looks for a header by its name or its compact form.
func either(m msg.Message, name, compact string) string {
	if value := header(m, name); value != "" {
		return value
	}
	return header(m, compact)
}

// tagOf reads the tag, around whose name and value there may be white space (RFC 3261, section 25.1), and whose
// name may be in any case.
func tagOf(params msg.HeaderParams) string {
	for _, param := range params {
		if strings.EqualFold(strings.TrimSpace(param.K), "tag") {
			return strings.TrimSpace(param.V)
		}
	}
	return ""
}

func toTag(m msg.Message) string {
	if h := m.To(); h != nil {
		return tagOf(h.Params)
	}
	return ""
}

func fromTag(m msg.Message) string {
	if h := m.From(); h != nil {
		return tagOf(h.Params)
	}
	return ""
}

func callIDOf(m msg.Message) string {
	if h := m.CallID(); h != nil {
		return string(*h)
	}
	return ""
}

func branchOf(m msg.Message) string {
	if h := m.Via(); h != nil {
		branch, _ := h.Params.Get("branch")
		return branch
	}
	return ""
}

func methodOf(m msg.Message) msg.RequestMethod {
	if h := m.CSeq(); h != nil {
		return h.MethodName
	}
	return ""
}

func setSDP(m msg.Message, sdp []byte) {
	contentType := msg.ContentTypeHeader(sdpType)
	m.AppendHeader(&contentType)
	m.SetBody(sdp)
}

// descriptionOf returns the session description in a message, also where it is one part of
// several, or nil if it has none.
func descriptionOf(m msg.Message) []byte {
	return description(either(m, "content-type", "c"), m.Body())
}

func description(contentType string, body []byte) []byte {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	kind, params, err := mime.ParseMediaType(contentType)
	switch {
	case contentType == "" && bytes.HasPrefix(body, []byte("v=0")):
		return body
	case err != nil:
		return nil
	case kind == sdpType:
		return body
	case !strings.HasPrefix(kind, "multipart/"):
		return nil
	}
	parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err != nil {
			return nil
		}
		if kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type")); err == nil && kind == sdpType {
			if sdp, err := io.ReadAll(part); err == nil {
				return sdp
			}
		}
	}
}

// timers is what a message says about the session timer (RFC 4028).
type timers struct {
	interval  uint32 // seconds; 0: it says nothing
	refresher string // uac, uas, or empty
	least     uint32 // Min-SE
}

func timersOf(m msg.Message) timers {
	var t timers
	value := either(m, "session-expires", "x")
	t.interval, _ = secondsOf(value)
	for _, param := range splitQuoted(value, ';')[1:] {
		name, who, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(name), "refresher") {
			t.refresher = strings.ToLower(strings.TrimSpace(who))
		}
	}
	t.least, _ = secondsOf(header(m, "min-se"))
	return t
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

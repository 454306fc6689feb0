package sip

import (
	"mime"
	"strings"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer/sip/media"
)

const (
	dtmfRelay = "application/dtmf-relay"
	dtmfPlain = "application/dtmf"
	keys      = "0123456789*#ABCD"
)

// takeInfo gives a key that is told by INFO to the media: some gateways know no telephone events. Another body has no
// meaning here, and its sender is told so (RFC 2976, section 2.2); none at all asks whether we are there.
func (g *dialog) takeInfo(req *msg.Request, tx msg.ServerTransaction) {
	kind, _, err := mime.ParseMediaType(either(req, "content-type", "c"))
	known := err == nil && (kind == dtmfRelay || kind == dtmfPlain)
	if len(req.Body()) > 0 && !known {
		g.c.d.respond(tx, req, msg.StatusUnsupportedMediaType, "Unsupported Media Type", func(res *msg.Response) {
			res.AppendHeader(msg.NewHeader("Accept", dtmfRelay+", "+dtmfPlain))
		})
		return
	}
	if key, ok := keyIn(string(req.Body())); ok && known {
		//nolint:errcheck,gosec // a call that is over has no use for it
		g.c.withSession(func(s media.Session) error {
			s.Key(key)
			return nil
		})
	}
	g.c.d.respond(tx, req, msg.StatusOK, "OK")
}

// keyIn reads "Signal=5", among other lines, or "5" alone. Some write the star and the hash as the numbers of
// their events (RFC 4733, section 3.2).
func keyIn(body string) (rune, bool) {
	text := strings.TrimSpace(body)
	for line := range strings.Lines(body) {
		name, value, ok := strings.Cut(line, "=")
		if ok && strings.EqualFold(strings.TrimSpace(name), "signal") {
			text = strings.TrimSpace(value)
		}
	}
	switch text {
	case "10":
		return '*', true
	case "11":
		return '#', true
	}
	text = strings.ToUpper(text)
	if len(text) != 1 || !strings.ContainsRune(keys, rune(text[0])) {
		return 0, false
	}
	return rune(text[0]), true
}

package sip

import (
	"bytes"
	"strings"
	"time"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer"
)

// overhear notes a response as soon as it is read. sipgo handles each message in a goroutine of its own: it drops a
// provisional response that comes behind the final one for that, and any that comes while its transaction is being
// ended. But whether a phone may have rung decides what becomes of a call that is refused, and an answer that is
// dropped is a person who hears nothing, until it comes again, if it does.
func (d *Dialer) overhear(raw []byte) {
	const begins, code = "SIP/2.0 ", len("SIP/2.0 ")
	if len(raw) < code+3 || string(raw[:len(begins)]) != begins || string(raw[code:code+3]) == "100" {
		return
	}
	if kind := raw[code]; kind != '1' && kind != '2' {
		return
	}
	id, branch := idAndBranch(raw)
	c, p := d.book.find(id)
	if c == nil && p != nil && raw[code] == '1' {
		c = p.overheard(d, branch)
	}
	if c == nil {
		return
	}
	switch inv := c.invite(branch); {
	case inv == nil:
	case raw[code] == '2':
		inv.overhearAnswer(raw)
	default:
		inv.overhear(string(raw[code:code+3]), hasBody(raw), time.Now())
	}
}

// idAndBranch reads the Call-ID, and the branch of the topmost Via, of a message that is not parsed yet.
func idAndBranch(raw []byte) (id, branch string) {
	for line := range bytes.SplitSeq(raw, []byte("\n")) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			if len(bytes.TrimSpace(line)) == 0 {
				return id, branch
			}
			continue
		}
		switch name = bytes.TrimSpace(name); {
		case id == "" && isNamed(name, "Call-ID", 'i'):
			id = string(bytes.TrimSpace(value))
		case branch == "" && isNamed(name, "Via", 'v'):
			branch = branchIn(string(value))
		}
		if id != "" && branch != "" {
			return id, branch
		}
	}
	return id, branch
}

// isNamed says whether a header has that name or its compact form.
func isNamed(name []byte, full string, compact byte) bool {
	if len(name) == 1 {
		return name[0]|0x20 == compact
	}
	return len(name) == len(full) && strings.EqualFold(string(name), full)
}

func branchIn(via string) string {
	for param := range strings.SplitSeq(via, ";") {
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(name), "branch") {
			value, _, _ = strings.Cut(value, ",") // where the next Via is on the same line
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// hasBody says whether there is more than the header of a message that is not parsed yet.
func hasBody(raw []byte) bool {
	_, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	return len(bytes.TrimSpace(body)) > 0
}

// overhear also cancels an INVITE that was given up: its transaction is being ended, and may drop what comes.
func (inv *invite) overhear(code string, body bool, at time.Time) {
	inv.mu.Lock()
	if inv.accepted.IsZero() {
		inv.accepted = at
	}
	if inv.rang.IsZero() && (code == "180" || code == "183") {
		inv.rang = at
	}
	inv.alerted = inv.alerted || code == "180"
	inv.plays = inv.plays || code == "183" && body
	inv.heard = true
	cancel := inv.givenUp && !inv.cancelled && !inv.chosen && !inv.buried
	inv.cancelled = inv.cancelled || cancel
	inv.inUse = inv.inUse || cancel
	inv.mu.Unlock()
	if cancel {
		inv.cancel()
	}
}

// overhearAnswer keeps an answer until somebody has looked at it, and hangs it up where the INVITE was given up.
// The answer to the CANCEL has the same branch: only what is parsed tells.
func (inv *invite) overhearAnswer(raw []byte) {
	inv.mu.Lock()
	if inv.chosen || inv.buried || inv.re != nil || len(inv.unread) == mostUnread {
		inv.mu.Unlock()
		return
	}
	inv.unread = append(inv.unread, bytes.Clone(raw))
	givenUp := inv.givenUp
	inv.mu.Unlock()
	if givenUp {
		inv.readAnswers()
	}
}

// mostUnread bounds what is kept of a peer that answers again and again. What it answers after that is still
// heard by sipgo.
const mostUnread = 8

// readAnswers takes the answers that were overheard. It is called once the INVITE is given up, or one of several is the
// call; that sipgo passes them on as well does no harm, as each tag is hung up once.
func (inv *invite) readAnswers() {
	inv.mu.Lock()
	unread := inv.unread
	inv.unread = nil
	inv.mu.Unlock()
	for _, raw := range unread {
		if res := parseResponse(raw); res != nil && methodOf(res) == msg.INVITE && fromTag(res) == inv.c.tag {
			inv.settle(res, false)
		}
	}
}

// catchUp takes what was overheard, before a final response.
func (c *call) catchUp(inv *invite) {
	inv.mu.Lock()
	accepted, rang := inv.accepted, inv.rang
	c.alerted, c.plays = c.alerted || inv.alerted, c.plays || inv.plays
	inv.mu.Unlock()
	if accepted.IsZero() {
		return
	}
	c.reach(dialer.Accepted, accepted)
	if rang.IsZero() {
		return
	}
	if c.at.ringing.IsZero() {
		c.at.ringing = rang
	}
	c.reach(dialer.Ringing, rang)
}

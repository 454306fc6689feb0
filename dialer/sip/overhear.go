package sip

import (
	"bytes"
	"strings"
	"time"

	"github.com/outdial/outdial/dialer"
)

// overhear notes a provisional response as soon as it is read. sipgo handles each message in a
// goroutine of its own, and drops a provisional response that comes behind the final one
// for that. But whether a phone may have rung decides what becomes of a call that is refused.
func (d *Dialer) overhear(raw []byte) {
	const begins, code = "SIP/2.0 1", len("SIP/2.0 ")
	if len(raw) < code+3 || string(raw[:len(begins)]) != begins || string(raw[code:code+3]) == "100" {
		return
	}
	id, branch := idAndBranch(raw)
	c, p := d.book.find(id)
	if c == nil && p != nil {
		c = p.overheard(d, branch)
	}
	if c == nil {
		return
	}
	if inv := c.invite(branch); inv != nil {
		inv.overhear(string(raw[code:code+3]), time.Now())
	}
}

// idAndBranch reads the Call-ID, and the branch of the topmost Via, of a message that is not parsed yet.
func idAndBranch(raw []byte) (id, branch string) {
	for line := range bytes.SplitSeq(raw, []byte("\n")) {
		name, value, ok := strings.Cut(string(line), ":")
		if len(bytes.TrimSpace(line)) == 0 {
			return id, branch
		}
		switch name = strings.TrimSpace(name); {
		case !ok:
		case strings.EqualFold(name, "Call-ID"), strings.EqualFold(name, "i"):
			id = strings.TrimSpace(value)
		case branch == "" && (strings.EqualFold(name, "Via") || strings.EqualFold(name, "v")):
			branch = branchIn(value)
		}
		if id != "" && branch != "" {
			return id, branch
		}
	}
	return id, branch
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

// overhear also cancels an INVITE that was given up: its transaction is being ended, and may drop what comes.
func (inv *invite) overhear(code string, at time.Time) {
	inv.mu.Lock()
	if inv.accepted.IsZero() {
		inv.accepted = at
	}
	if inv.rang.IsZero() && (code == "180" || code == "183") {
		inv.rang = at
	}
	inv.heard = true
	cancel := inv.givenUp && !inv.cancelled && !inv.chosen && !inv.buried
	inv.cancelled = inv.cancelled || cancel
	inv.inUse = inv.inUse || cancel
	inv.mu.Unlock()
	if cancel {
		inv.cancel()
	}
}

// catchUp takes what was overheard, before a final response.
func (c *call) catchUp(inv *invite) {
	inv.mu.Lock()
	accepted, rang := inv.accepted, inv.rang
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

package sip

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	msg "github.com/emiago/sipgo/sip"
)

// prack acknowledges a provisional response that asks for it (RFC 3262, section 4). It returns
// false for one that was acknowledged before, or comes out of order: that one is to be ignored.
func (g *dialog) prack(inv *invite, res *msg.Response) bool {
	if !isReliable(res) {
		return true
	}
	number, err := strconv.ParseUint(strings.TrimSpace(header(res, "rseq")), 10, 32)
	if err != nil || number == 0 {
		return true
	}
	g.mu.Lock()
	next := g.reliable == 0 || number == g.reliable+1
	if next {
		g.reliable = number
	}
	g.mu.Unlock()
	if !next {
		return false
	}
	rack := fmt.Sprintf("%d %d INVITE", number, inv.req.CSeq().SeqNo)
	g.c.d.work.background(func(ctx context.Context) {
		_, err := g.send(ctx, msg.PRACK, func(req *msg.Request, _ *flow) {
			req.AppendHeader(msg.NewHeader("RAck", rack))
		})
		if err != nil {
			g.c.d.log.Warn("a PRACK was not answered", "trunk", g.t.Name, "call", g.c.in.ID, "error", err)
		}
	})
	return true
}

func isReliable(res *msg.Response) bool { return hasToken(header(res, "require"), "100rel") }

// remember keeps a description from before the answer, which may have none. Where it is agreed, by a reliable
// response or since, what the answer has is a repetition of an older one at most (RFC 6337, section 2.2).
func (g *dialog) remember(sdp []byte, agreed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.early, g.agreed = sdp, g.agreed || agreed
}

func (g *dialog) remembered() (sdp []byte, agreed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.early, g.agreed
}

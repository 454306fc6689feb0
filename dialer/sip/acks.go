package sip

import (
	"sync"
	"time"

	msg "github.com/emiago/sipgo/sip"
)

// acks are the ACKs of the answers to an INVITE, by the answer's tag. The INVITE and its past share them: one may be on
// its way when the call ends. A nil one is. They are safe for concurrent use.
type acks struct {
	mu    sync.Mutex
	byTag map[string]*acked
}

// acked is an ACK that is sent again when the answer is.
type acked struct {
	flow *flow
	raw  []byte
	sent time.Time // guarded by acks.mu
}

func (a *acks) set(tag string, ack *acked) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byTag == nil {
		a.byTag = map[string]*acked{}
	}
	if ack != nil {
		ack.sent = time.Now()
	}
	a.byTag[tag] = ack
}

// again returns the ACK that is due for an answer. One that has just been sent is not: what is overheard is passed on
// by sipgo, too, and an answer is not sent again before T1 is over (RFC 3261, section 13.3.1.4).
func (a *acks) again(tag string) (due *acked, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ack, known := a.byTag[tag]
	if ack == nil || time.Since(ack.sent) < msg.T1/2 {
		return nil, known
	}
	ack.sent = time.Now()
	return ack, true
}

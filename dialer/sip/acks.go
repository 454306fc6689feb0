package sip

import "sync"

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
}

func (a *acks) get(tag string) (ack *acked, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ack, known = a.byTag[tag]
	return ack, known
}

func (a *acks) set(tag string, ack *acked) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byTag == nil {
		a.byTag = map[string]*acked{}
	}
	a.byTag[tag] = ack
}

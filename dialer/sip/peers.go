package sip

import (
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// peers is who may send to us. What others send is dropped before it is parsed. It is safe
// for concurrent use.
type peers struct {
	prefixes []netip.Prefix // never changed
	log      *slog.Logger
	dropped  atomic.Uint64 // datagrams and connections of others
	told     seldom
	garbled  seldom

	mu    sync.RWMutex
	users map[netip.Addr]int // how many need the address
}

func newPeers(trunks []Trunk, log *slog.Logger) *peers {
	p := &peers{users: map[netip.Addr]int{}, log: log}
	for _, t := range trunks {
		p.prefixes = append(p.prefixes, t.Allow...)
	}
	return p
}

// add lets an address send until the function that it returns is called.
func (p *peers) add(addr netip.Addr) (remove func()) {
	addr = addr.Unmap().WithZone("")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users[addr]++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.users[addr]--; p.users[addr] == 0 {
			delete(p.users, addr)
		}
	})
}

func (p *peers) has(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	p.mu.RLock()
	_, ok := p.users[addr]
	p.mu.RUnlock()
	return ok || slices.ContainsFunc(p.prefixes, func(prefix netip.Prefix) bool { return prefix.Contains(addr) })
}

// admits is has for what has come. What is dropped is counted, and logged now and then: a trunk that
// sends from more addresses than its name stands for is otherwise a riddle.
func (p *peers) admits(addr netip.Addr) bool {
	if p.has(addr) {
		return true
	}
	n := p.dropped.Add(1)
	if p.told.may() {
		p.log.Warn("what an address sends is dropped that belongs to no SIP trunk: if it is one's, list it in Trunk.Allow",
			"address", addr.Unmap().String(), "dropped_so_far", n)
	}
	return false
}

// unread tells now and then of a message that is none.
func (p *peers) unread(from netip.AddrPort) {
	if p.garbled.may() {
		p.log.Warn("what a SIP peer sends cannot be read as a message, and is dropped",
			"address", from.Addr().Unmap().String())
	}
}

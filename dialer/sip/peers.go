package sip

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// peers is who may send to us. What others send is dropped before it is parsed. It is safe
// for concurrent use.
type peers struct {
	prefixes []netip.Prefix // never changed

	mu    sync.RWMutex
	users map[netip.Addr]int // how many need the address
}

func newPeers(trunks []Trunk) *peers {
	p := &peers{users: map[netip.Addr]int{}}
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

func (p *peers) hasRemote(conn net.Conn) bool {
	addr, ok := conn.RemoteAddr().(*net.TCPAddr)
	return ok && p.has(addr.AddrPort().Addr())
}

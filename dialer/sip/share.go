package sip

import (
	"net"
	"net/netip"
	"slices"
	"sync"

	msg "github.com/emiago/sipgo/sip"
)

// shared are the stacks at ports that were asked for by number. Two dialers with the same Config.Listen have the
// same one: a dialer that replaces another cannot wait for the end of its calls.
//
//nolint:gochecknoglobals // a port is one of the process
var shared = struct {
	mu   sync.Mutex
	open map[string]*stack // by placeOf
}{open: map[string]*stack{}}

// stackAt returns a stack that listens at the address. Whoever has it leaves it once.
func stackAt(address string) (*stack, error) {
	place := placeOf(address)
	if place == "" {
		return newStack(address)
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	st := shared.open[place]
	if st == nil {
		var err error
		if st, err = newStack(address); err != nil {
			return nil, err
		}
		st.address = place
		shared.open[place] = st
	}
	st.users++
	return st, nil
}

// placeOf is what an address comes to, however it is written; empty: it is a request for a free port, or comes to
// nothing.
func placeOf(address string) string {
	at, err := net.ResolveUDPAddr("udp", address)
	if err != nil || at.Port == 0 {
		return ""
	}
	place := at.AddrPort()
	addr := place.Addr().Unmap()
	if !addr.IsValid() {
		addr = netip.IPv6Unspecified()
	}
	return netip.AddrPortFrom(addr, place.Port()).String()
}

// leave closes the stack behind the last dialer. The others go on.
func (st *stack) leave(d *Dialer) error {
	if st.address == "" {
		return st.close()
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if st.users--; st.users > 0 {
		st.dialers.remove(d)
		if heir := st.dialers.newest(); heir != nil {
			heir.inherit(d.book.bequeath())
		}
		d.flows.close()
		return nil
	}
	delete(shared.open, st.address)
	return st.close()
}

// inherit takes what another dialer at the same port has left: an answer that comes late is to be hung up.
func (d *Dialer) inherit(pasts []*past) {
	for _, p := range pasts {
		p.moveTo(d)
	}
	d.book.inherit(pasts)
}

// dialers are those that share a stack, the newest first. What comes is for the one whose call it is of, else for the
// newest. A response needs no more, since sipgo knows the requests of all of them. It is safe for concurrent use.
type dialers struct {
	mu  sync.RWMutex
	all []*Dialer // never changed, but replaced
}

func (ds *dialers) add(d *Dialer) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.all = append([]*Dialer{d}, ds.all...)
}

func (ds *dialers) remove(d *Dialer) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.all = slices.DeleteFunc(slices.Clone(ds.all), func(one *Dialer) bool { return one == d })
}

func (ds *dialers) list() []*Dialer {
	ds.mu.RLock()
	defer ds.mu.RUnlock()
	return ds.all
}

// newest returns nil as long as there is none.
func (ds *dialers) newest() *Dialer {
	if all := ds.list(); len(all) > 0 {
		return all[0]
	}
	return nil
}

// of returns the dialer whom a message with that Call-ID is for; nil: there is none yet.
func (ds *dialers) of(callID string) *Dialer {
	for _, d := range ds.list() {
		if c, p := d.book.find(callID); c != nil || p != nil {
			return d
		}
	}
	return ds.newest()
}

// concerned is of for a message that is not parsed yet.
func (ds *dialers) concerned(raw []byte) *Dialer {
	if len(ds.list()) < 2 { // as nearly always
		return ds.newest()
	}
	id, _ := idAndBranch(raw)
	return ds.of(id)
}

// admits says whether the address is a peer of one of them.
func (ds *dialers) admits(addr netip.Addr) bool {
	for _, d := range ds.list() {
		if d.peers.has(addr) {
			return true
		}
	}
	d := ds.newest()
	return d != nil && d.peers.admits(addr)
}

func (ds *dialers) unread(from netip.AddrPort) {
	if d := ds.newest(); d != nil {
		d.peers.unread(from)
	}
}

func (ds *dialers) overhear(raw []byte) {
	if d := ds.concerned(raw); d != nil {
		d.overhear(raw)
	}
}

// bounced tells them all: what bounced may be of no call.
func (ds *dialers) bounced(to netip.AddrPort, raw []byte) {
	for _, d := range ds.list() {
		d.bounced(to, raw)
	}
}

func (ds *dialers) sent(to netip.AddrPort, raw []byte) {
	if d := ds.concerned(raw); d != nil {
		trace(d.config.Trace).sent(to, raw)
	}
}

func (ds *dialers) received(from netip.AddrPort, raw []byte) {
	if d := ds.concerned(raw); d != nil {
		trace(d.config.Trace).received(from, raw)
	}
}

// request is told by sipgo of each request that is none again.
func (ds *dialers) request(req *msg.Request, tx msg.ServerTransaction) {
	if d := ds.of(callIDOf(req)); d != nil {
		d.request(req, tx)
	}
}

// stray is told by sipgo of each response that belongs to no transaction.
func (ds *dialers) stray(res *msg.Response) {
	if d := ds.of(callIDOf(res)); d != nil {
		d.stray(res)
	}
}

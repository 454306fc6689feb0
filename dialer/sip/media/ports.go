package media

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// ErrNoPort is wrapped by the error of [Handler.Open] when each port of the range is in use.
var ErrNoPort = errors.New("no port is free for media")

// ports gives out the ports of a range in turn, so that one which was just given back,
// to which the last call's peer may still send, is the last to be used again. It is safe for
// concurrent use.
type ports struct {
	ip    netip.Addr
	first int
	mu    sync.Mutex
	taken []bool // by pair
	at    int    // the pair to try next
}

func newPorts(ip netip.Addr, r PortRange) *ports {
	return &ports{ip: ip, first: r.firstEven(), taken: make([]bool, r.pairs())}
}

func (r PortRange) firstEven() int { return max(int(r.First)+int(r.First)&1, 2) }

func (r PortRange) pairs() int { return max(int(r.Last)+1-r.firstEven(), 0) / 2 }

// pair is two open ports.
type pair struct {
	rtp, rtcp *net.UDPConn
	port      uint16 // of rtp
	pool      *ports
	index     int
}

// open opens the next pair that is free, here and in the system.
func (p *ports) open() (pair, error) {
	var last error
	for range p.taken {
		index, ok := p.take()
		if !ok {
			break
		}
		opened, err := p.listen(index)
		if err == nil {
			return opened, nil
		}
		last = err
		p.give(index)
	}
	err := fmt.Errorf("%w: all of %d to %d are in use", ErrNoPort, p.first, p.first+2*len(p.taken)-1)
	if last != nil {
		return pair{}, fmt.Errorf("%w (%w)", err, last)
	}
	return pair{}, err
}

func (p *ports) take() (index int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range p.taken {
		i := p.at
		p.at = (p.at + 1) % len(p.taken)
		if !p.taken[i] {
			p.taken[i] = true
			return i, true
		}
	}
	return 0, false
}

func (p *ports) give(index int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken[index] = false
}

func (p *ports) listen(index int) (pair, error) {
	port := p.first + 2*index
	rtp, err := p.listenOn(port)
	if err != nil {
		return pair{}, err
	}
	rtcp, err := p.listenOn(port + 1)
	if err != nil {
		rtp.Close() //nolint:gosec // the error that counts is the other port's
		return pair{}, err
	}
	//nolint:gosec // the pairs are within a range of uint16
	return pair{rtp: rtp, rtcp: rtcp, port: uint16(port), pool: p, index: index}, nil
}

func (p *ports) listenOn(port int) (*net.UDPConn, error) {
	network := "udp4"
	if p.ip.Is6() {
		network = "udp6"
	}
	//nolint:gosec // see listen
	return net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.ip, uint16(port))))
}

func (p pair) close() error {
	err := errors.Join(p.rtp.Close(), p.rtcp.Close())
	p.pool.give(p.index)
	return err
}

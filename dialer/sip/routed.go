package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

// routed is RTP whose address is found when the first call needs it: names cannot be relied on to
// be resolved while a program starts.
type routed struct {
	trunk    Trunk
	resolver Resolver

	mu     sync.Mutex
	config media.Config
	rtp    media.Handler // nil: the address is not known yet
}

// Open implements [media.Handler].
func (r *routed) Open(ctx context.Context, call dialer.Call) (media.Session, error) {
	rtp, err := r.handler(ctx)
	if err != nil {
		return nil, err
	}
	return rtp.Open(ctx, call) //nolint:wrapcheck // it is the handler
}

func (r *routed) handler(ctx context.Context) (media.Handler, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rtp != nil {
		return r.rtp, nil
	}
	c := r.config
	if !c.IP.IsValid() {
		ip, err := r.localIP(ctx)
		if err != nil {
			return nil, &dialer.UnavailableError{Cause: err}
		}
		c.IP = ip
	}
	rtp, err := media.RTP(c)
	if err == nil {
		r.rtp = rtp
	}
	return rtp, err
}

// localIP is the address of this machine that leads to the trunk.
func (r *routed) localIP(ctx context.Context) (netip.Addr, error) {
	addrs, err := r.addresses(ctx)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("the address for media: %w", err)
	}
	var last error
	for _, to := range addrs {
		const anyPort = 5060
		conn, err := net.Dial("udp", netip.AddrPortFrom(to.Unmap(), anyPort).String()) //nolint:noctx // it sends nothing
		if err != nil {
			last = err
			continue
		}
		host := localHost(conn)
		if last = conn.Close(); last == nil {
			return netip.ParseAddr(host)
		}
	}
	return netip.Addr{}, fmt.Errorf("the address for media: no way to %s: %w", strconv.Quote(r.trunk.Host), last)
}

// addresses are those of the trunk's host, or of what its SRV records name.
func (r *routed) addresses(ctx context.Context) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(r.trunk.Host); err == nil {
		return []netip.Addr{ip}, nil
	}
	name := r.trunk.Host
	if r.trunk.Port == 0 {
		service, proto := "sip", "udp"
		switch r.trunk.Transport { //nolint:exhaustive // UDP is what it is without
		case TCP:
			proto = "tcp"
		case TLS:
			service, proto = "sips", "tcp"
		}
		if _, records, err := r.resolver.LookupSRV(ctx, service, proto, name); err == nil && len(records) > 0 {
			name = records[0].Target
		}
	}
	return r.resolver.LookupNetIP(ctx, "ip", name) //nolint:wrapcheck // wrapped by localIP
}

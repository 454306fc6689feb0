package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

// routed is RTP whose address is found when a call needs it: names cannot be relied on to be
// resolved while a program starts, and the address that leads to a trunk may change while it runs. It is
// safe for concurrent use.
type routed struct {
	trunks   []Trunk // like those of the dialer: the first that can be reached decides
	resolver Resolver
	config   media.Config // never changed

	mu      sync.Mutex
	rtp     media.Handler // nil: the address is not known yet
	ip      netip.Addr    // it is made for
	found   time.Time
	finding *finding // nil: nobody looks for it
}

// finding is a look-up that several calls wait for.
type finding struct {
	done chan struct{}
	rtp  media.Handler
	err  error
}

// Open implements [media.Handler].
func (r *routed) Open(ctx context.Context, call dialer.Call) (media.Session, error) {
	rtp, err := r.handler(ctx)
	if err != nil {
		return nil, err
	}
	return rtp.Open(ctx, call) //nolint:wrapcheck // it is the handler
}

// check says early what is wrong with the rest of the configuration.
func (r *routed) check() error {
	c := r.config
	if !c.IP.IsValid() {
		c.IP = netip.IPv6Loopback() // any will do
		if !c.ListenIP.IsValid() || c.ListenIP.Is4() {
			c.IP = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
	}
	_, err := media.RTP(c)
	return err
}

// handler waits for the look-up only where there is nothing older to use meanwhile. It is done on nobody's
// behalf: a call that is cancelled must not take it away from others.
func (r *routed) handler(ctx context.Context) (media.Handler, error) {
	r.mu.Lock()
	if r.rtp != nil && (r.config.IP.IsValid() || time.Since(r.found) < keepNames) {
		defer r.mu.Unlock()
		return r.rtp, nil
	}
	f := r.finding
	if f == nil {
		f = &finding{done: make(chan struct{})}
		r.finding = f
		go r.find(f) //nolint:contextcheck // see above
	}
	known := r.rtp
	r.mu.Unlock()
	if known != nil {
		return known, nil
	}
	select {
	case <-f.done:
		return f.rtp, f.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (r *routed) find(f *finding) {
	defer close(f.done)
	ip, err := r.config.IP, error(nil)
	if !ip.IsValid() {
		ip, err = r.localIP()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finding = nil
	if err != nil {
		f.err = &dialer.UnavailableError{Cause: err}
		return
	}
	if r.rtp == nil || ip != r.ip {
		c := r.config
		c.IP = ip
		rtp, err := media.RTP(c)
		if err != nil {
			f.err = err
			return
		}
		r.rtp, r.ip = rtp, ip
	}
	f.rtp, r.found = r.rtp, time.Now()
}

// localIP is the address of this machine that leads to the first trunk that has one.
func (r *routed) localIP() (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
	defer cancel()
	var errs []error
	for i := range r.trunks {
		t := r.trunks[i]
		host, port := t.target()
		servers, err := resolve(ctx, r.resolver, t.transport(), host, port)
		for _, s := range servers {
			for _, to := range s.addrs {
				ip, err := localIPTo(to)
				if err == nil {
					return ip, nil
				}
				errs = append(errs, fmt.Errorf("no way to %s: %w", strconv.Quote(host), err))
			}
		}
		errs = append(errs, err)
	}
	return netip.Addr{}, fmt.Errorf("the address for media: %w", errors.Join(errs...))
}

// localIPTo is the address of this machine that leads there.
func localIPTo(to netip.Addr) (netip.Addr, error) {
	const anyPort = 5060
	conn, err := net.Dial("udp", netip.AddrPortFrom(to, anyPort).String()) //nolint:noctx // it sends nothing
	if err != nil {
		return netip.Addr{}, err
	}
	host := localHost(conn)
	if err := conn.Close(); err != nil {
		return netip.Addr{}, err
	}
	return netip.ParseAddr(host)
}

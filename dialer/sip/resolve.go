package sip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// server is what a record of the trunk's name stands for: the addresses of one host.
type server struct {
	priority, weight uint16
	port             uint16
	addrs            []netip.Addr
}

// resolve finds the servers of a host by RFC 3263, section 4.2: an address stands for itself,
// a port says that there are no SRV records, and a name without any is looked up as a host.
func resolve(ctx context.Context, r Resolver, t Transport, host string, port int) ([]server, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []server{{port: portOr(port, t), addrs: []netip.Addr{addr.Unmap()}}}, nil
	}
	if port == 0 {
		if servers := resolveSRV(ctx, r, t, host); len(servers) > 0 {
			return servers, nil
		}
	}
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("looking up %s: %w", host, err)
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("looking up %s: it has no address", host)
	}
	return []server{{port: portOr(port, t), addrs: unmapped(addrs)}}, nil
}

func portOr(port int, t Transport) uint16 {
	if port == 0 {
		return defaultPort(t)
	}
	return uint16(port) //nolint:gosec // a port
}

func unmapped(addrs []netip.Addr) []netip.Addr {
	out := make([]netip.Addr, len(addrs))
	for i, addr := range addrs {
		out[i] = addr.Unmap()
	}
	return out
}

// resolveSRV returns no servers where there are no records that lead anywhere.
func resolveSRV(ctx context.Context, r Resolver, t Transport, host string) []server {
	service, proto := "sip", string(t)
	if t == TLS {
		service, proto = "sips", "tcp"
	}
	_, records, err := r.LookupSRV(ctx, service, proto, host)
	if err != nil {
		return nil
	}
	var servers []server
	for _, record := range records {
		target := strings.TrimSuffix(record.Target, ".")
		if target == "" {
			continue // RFC 2782: decidedly not available
		}
		if addrs, err := r.LookupNetIP(ctx, "ip", target); err == nil && len(addrs) > 0 {
			servers = append(servers, server{record.Priority, record.Weight, record.Port, unmapped(addrs)})
		}
	}
	return servers
}

// inTurn returns the servers as one call is to try them: RFC 2782, by priority, and drawn
// by weight where that is the same.
func inTurn(servers []server, draw func(n int) int) []server {
	servers = slices.Clone(servers)
	slices.SortStableFunc(servers, func(a, b server) int { return cmp.Compare(a.priority, b.priority) })
	for i := range servers {
		end := i + 1
		for end < len(servers) && servers[end].priority == servers[i].priority {
			end++
		}
		j := i + drawn(servers[i:end], draw)
		servers[i], servers[j] = servers[j], servers[i]
	}
	return servers
}

func drawn(servers []server, draw func(n int) int) int {
	total := 0
	for _, s := range servers {
		total += int(s.weight)
	}
	if total == 0 {
		return draw(len(servers))
	}
	left := draw(total)
	for i, s := range servers {
		if left -= int(s.weight); left < 0 {
			return i
		}
	}
	return 0
}

func randomly(n int) int { return rand.IntN(n) } //nolint:gosec // it spreads load, nothing more

// lookup finds the address of a host that a message names.
func lookup(ctx context.Context, r Resolver, host string) (netip.Addr, error) {
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	if len(addrs) == 0 {
		return netip.Addr{}, &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	return addrs[0].Unmap(), nil
}

var errNoServer = errors.New("no server is known")

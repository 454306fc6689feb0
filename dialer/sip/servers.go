package sip

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	msg "github.com/emiago/sipgo/sip"
)

// ServerStatus is what is known of one server of a trunk.
type ServerStatus struct {
	Trunk     string // Trunk.Name
	Transport Transport
	Address   netip.AddrPort

	State ServerState
	Until time.Time // the end of its rest; zero: it has none
	Heard time.Time // when it answered a call last; zero: never

	// Told is the address, host:port, that the server is told to send to, Seen the one by which it
	// says that we reach it. Where they differ, a translator of addresses is between the two, and Advertise is missing
	// or wrong. Empty: not known yet.
	Told, Seen string
}

// ServerState is whether a server takes calls.
type ServerState string

// The states of a server.
const (
	ServerUnknown ServerState = "unknown" // nothing was heard of it so far; it gets calls
	ServerUp      ServerState = "up"
	ServerResting ServerState = "resting" // until then it gets none: it asked, was silent, or refused the credentials
	ServerDown    ServerState = "down"    // it refuses connections, or does not answer OPTIONS though it did
)

// Servers tells of the servers of all trunks that are known so far, in the order of the trunks. It is safe for
// concurrent use.
func (d *Dialer) Servers() []ServerStatus {
	var all []ServerStatus
	for _, t := range d.trunks {
		all = append(all, t.status()...)
	}
	return all
}

// Dropped is how many datagrams and connections were dropped so far because they came from addresses that belong to no
// trunk and no call. Where dialers share Config.Listen, it is counted by the newest. It is safe for concurrent use.
func (d *Dialer) Dropped() uint64 { return d.peers.dropped.Load() }

func (t *trunk) status() []ServerStatus {
	locked, _ := t.account.resting()
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]ServerStatus, 0, len(t.states))
	for remote, s := range t.states {
		one := ServerStatus{
			Trunk: t.Name, Transport: t.Transport, Address: remote, State: s.status(), Heard: s.heard,
			Told: s.told, Seen: s.seen,
		}
		if one.State == ServerResting {
			one.Until = s.restUntil
		}
		if locked > 0 && one.State != ServerDown {
			one.State, one.Until = ServerResting, time.Now().Add(locked)
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b ServerStatus) int { return a.Address.Compare(b.Address) })
	return all
}

func (s *state) status() ServerState {
	switch {
	case s.dead:
		return ServerDown
	case time.Now().Before(s.restUntil):
		return ServerResting
	case s.answers || !s.heard.IsZero():
		return ServerUp
	}
	return ServerUnknown
}

// look compares where a server says that we are (RFC 3261, section 18.2.1; RFC 3581) with what it is told. Where that
// differs, what it sends in a call does not arrive, unless it sends it where the INVITE came from.
func (d *Dialer) look(t *trunk, remote netip.AddrPort, f *flow, res *msg.Response) {
	via := res.Via()
	if via == nil {
		return
	}
	host, _ := via.Params.Get("received")
	port, _ := via.Params.Get("rport")
	if host == "" && port == "" {
		return
	}
	told := net.JoinHostPort(f.host, strconv.Itoa(int(f.port)))
	host = strings.Trim(host, "[]")
	if host == "" {
		host = f.host
	}
	if port == "" || f.transport != UDP { // a connection has a port of its own
		port = strconv.Itoa(int(f.port))
	}
	seen := net.JoinHostPort(host, port)
	if _, err := netip.ParseAddr(f.host); err != nil {
		told = net.JoinHostPort(host, strconv.Itoa(int(f.port))) // a name, which is taken to stand for it
	}
	if t.noteSeen(remote, told, seen) && told != seen {
		d.log.Warn("a SIP server sees this side at another address than it is told: calls may not be hung up or answered",
			"trunk", t.Name, "server", remote.String(), "told", told, "seen", seen)
	}
}

// noteSeen says whether that is news.
func (t *trunk) noteSeen(remote netip.AddrPort, told, seen string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state(remote)
	news := s.told != told || s.seen != seen
	s.told, s.seen = told, printable(seen)
	return news
}

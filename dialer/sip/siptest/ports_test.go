package siptest

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Ports are taken from below those that the system gives out by itself, so that none is gone again
// between the look and the program that binds it.
const firstPort, lastPort = 20000, 32000

var ports = struct {
	sync.Mutex

	next int
}{next: firstPort + os.Getpid()*131%(lastPort-firstPort)}

// freePort returns a port of the loopback that nobody has, for UDP and TCP. It has a free neighbour
// above it, for RTCP.
func freePort(tb testing.TB) int {
	tb.Helper()
	ports.Lock()
	defer ports.Unlock()
	for range (lastPort - firstPort) / 2 {
		ports.next += 2
		if ports.next >= lastPort {
			ports.next = firstPort
		}
		ports.next &^= 1
		if isFree(ports.next) && isFree(ports.next+1) {
			return ports.next
		}
	}
	require.FailNow(tb, "no port is free")
	return 0
}

func isFree(port int) bool {
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	packets, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	defer packets.Close()
	streams, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	return streams.Close() == nil
}

// isBound says whether somebody has the port. It asks the system, since binding the port in order
// to see would be in the way of who is about to.
func isBound(transport string, port int) bool {
	table, err := os.ReadFile("/proc/net/" + transport)
	if err != nil {
		return false
	}
	local := fmt.Sprintf(":%04X ", port)
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		listening := transport == "udp" || len(fields) > 3 && fields[3] == "0A"
		if len(fields) > 3 && listening && strings.HasSuffix(fields[1]+" ", local) {
			return true
		}
	}
	return false
}

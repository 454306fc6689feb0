package siptest

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/sip"
)

// carrier is a SIPp that plays a script for one call, and ends with it.
type carrier struct {
	*process

	transport string
	port      int
}

// newCarrier starts SIPp. Further arguments are SIPp's own.
func newCarrier(tb testing.TB, transport string, s script, args ...string) *carrier {
	tb.Helper()
	folder := tb.TempDir()
	scenario := filepath.Join(folder, "scenario.xml")
	require.NoError(tb, os.WriteFile(scenario, []byte(s.xml()), 0o600))
	c := &carrier{transport: transport, port: freePort(tb)}
	all := append([]string{
		"-sf", scenario, "-t", transport[:1] + "1", "-i", "127.0.0.1", "-bind_local", "-p", strconv.Itoa(c.port),
		"-cp", strconv.Itoa(freePort(tb)), "-mi", "127.0.0.1", "-nostdin", "-skip_rlimit", "-buff_size", "4000000", "-m", "1",
		"-trace_msg", "-message_file", filepath.Join(folder, "trace"),
		"-trace_err", "-error_file", filepath.Join(folder, "errors"),
	}, args...)
	c.process = run(tb, folder, sippProgram.path(tb), all...)
	c.listens(transport, c.port)
	return c
}

// trunk leads to the carrier, without the traffic that a test has not asked for.
func (c *carrier) trunk() sip.Trunk {
	return sip.Trunk{
		Name: "sipp", Host: "127.0.0.1", Port: c.port, Transport: sip.Transport(c.transport),
		KeepAlive: -1, SessionInterval: -1,
	}
}

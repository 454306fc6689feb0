package siptest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// proxyConfig makes Kamailio relay what comes to one carrier, and stay in the way of the whole call.
const proxyConfig = `#!KAMAILIO
debug=1
children=1
tcp_children=1
listen=udp:127.0.0.1:%[1]d
listen=tcp:127.0.0.1:%[1]d
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"

request_route {
	if (!mf_process_maxfwd_header("10")) {
		sl_send_reply("483", "Too Many Hops");
		exit;
	}
	if (has_totag()) {
		if (loose_route()) {
			t_relay();
		} else if (is_method("ACK")) {
			if (t_check_trans()) t_relay();
		} else {
			sl_send_reply("404", "No Route");
		}
		exit;
	}
	if (is_method("CANCEL")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	if (is_method("INVITE")) record_route();
	$du = "sip:127.0.0.1:%[2]d;transport=%[3]s";
	t_relay();
}
`

// newProxy starts Kamailio before the carrier, and returns the trunk that leads to it.
func newProxy(t *testing.T, c *carrier) sip.Trunk {
	t.Helper()
	path := kamailioProgram.path(t)
	folder := t.TempDir()
	config := filepath.Join(folder, "kamailio.cfg")
	trunk := c.trunk()
	trunk.Port = freePort(t)
	text := fmt.Sprintf(proxyConfig, trunk.Port, c.port, c.transport)
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	p := run(t, folder, path, "-f", config, "-DD", "-E", "-m", "8", "-M", "2", "-Y", folder, "-w", folder)
	t.Cleanup(p.stop)
	p.listens("udp", trunk.Port)
	p.listens("tcp", trunk.Port)
	return trunk
}

// invitedByProxy keeps the route, too.
func invitedByProxy() step {
	return func(w *scene) {
		w.line(`<recv request="INVITE" rrs="true"><action>`)
		w.keep("From", ".*", "INVITEFrom")
		w.keep("To", ".*", "INVITETo")
		w.keep("Contact", "sip:[^&gt;]*", "target")
		w.line(`</action></recv>`)
		w.last = "INVITE"
	}
}

// giveWay is the 487 after a CANCEL. That one has the Via of the proxy, as the INVITE had, and none
// below it; nor does the proxy want more of it.
func giveWay() step {
	return func(w *scene) {
		w.send(true, []string{
			"SIP/2.0 487 Request Terminated", "[last_Via:]", "From:[$INVITEFrom]", "To:[$INVITETo]" + ourTag,
			"[last_Call-ID:]", "CSeq: 1 INVITE",
		}, "")
	}
}

func TestThroughKamailio(t *testing.T) {
	t.Parallel()
	begins := steps(invitedByProxy(), echo(180, "Ringing", ""), echo(200, "OK", sdp), seen("ACK"))
	byRoute := func(w *scene) {
		w.cseq++
		w.sendRequest("BYE", w.cseq, true, "", "[routes]")
		response(200)(w)
	}
	hangUp := func(d *dialled) {
		d.reaches(dialer.Connected)
		d.cancel(dialer.HangUp(dialer.AgentHangup))
	}
	for _, s := range []struct {
		name  string
		peer  script
		do    func(*dialled)
		ends  dialer.EndReason
		hears string
	}{
		{"callee hangs up", script{begins, pause(100), byRoute}, nil, dialer.ClientHangup, "INVITE ACK 200/BYE"},
		{
			"we hang up", script{begins, seen("BYE"), echo(200, "OK", ""), pause(200)}, hangUp,
			dialer.AgentHangup, "INVITE ACK BYE",
		},
		{
			"busy", script{invitedByProxy(), echo(486, "Busy Here", ""), seen("ACK")}, nil, dialer.DialBusy, "INVITE ACK",
		},
		{
			"we give up",
			script{invitedByProxy(), echo(180, "Ringing", ""), seen("CANCEL"), echo(200, "OK", ""), giveWay(), seen("ACK")},
			func(d *dialled) {
				d.reaches(dialer.Ringing)
				d.cancel(nil)
			},
			dialer.APICancelled, "INVITE CANCEL ACK",
		},
	} {
		for _, transport := range []string{"udp", "tcp"} {
			t.Run(s.name+"/"+transport, func(t *testing.T) {
				t.Parallel()
				c := newCarrier(t, transport, s.peer)
				proxy := newProxy(t, c)
				r := begin(t, newDialer(t, sip.Config{Trunks: []sip.Trunk{proxy}}), newCall())
				if s.do != nil {
					s.do(r)
				}
				r.over()
				require.NoError(t, r.err)
				require.Equal(t, s.ends, r.outcome.Reason, "%+v\n%s", r.outcome, c.file("trace"))
				for _, m := range c.hears(t, s.hears) {
					if !m.sent && !m.isResponse() {
						require.Contains(t, m.head["via"], ":"+port(proxy.Port)+";", "it went past the proxy: %s", m.raw)
					}
				}
			})
		}
	}
}

package main

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
	"github.com/outdial/outdial/store"
)

// rereads has a server that runs in this process read its configuration again.
func (s *served) rereads(said string) {
	s.t.Helper()
	before := strings.Count(s.errOut.String(), said)
	s.hangups <- syscall.SIGHUP
	s.eventually(func() bool { return strings.Count(s.errOut.String(), said) > before })
}

// TestWhatComesForAProcessThatHasTheCarrierNoMore has everything that Twilio sends reach a process without a call, whose
// configuration has the carrier otherwise by now, or not at all.
func TestWhatComesForAProcessThatHasTheCarrierNoMore(t *testing.T) {
	t.Parallel() // it waits most of the time
	for name, change := range map[string]func(config string) string{
		"a new token": func(config string) string {
			return strings.Replace(config, twilioToken, "another"+twilioToken, 1)
		},
		"another public URL": func(config string) string {
			return strings.Replace(config, "/carriers/trunk&", "/carriers/trunk/new&", 1)
		},
		"another carrier": func(config string) string {
			before, rest, _ := strings.Cut(config, "twilio://")
			_, after, _ := strings.Cut(rest, `"`)
			return before + `fake://?channels=20"` + after
		},
		"no carrier": func(config string) string {
			config = strings.Replace(config, "carriers: {trunk:", "carriers: {other:", 1)
			config = strings.Replace(config, "/carriers/trunk&", "/carriers/other&", 1)
			return strings.Replace(config, "carriers: [trunk]", "carriers: [other]", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := newPostgres(t)
			w, b, a := newWorld(t, fast), newBalancer(t), newStudio(t)
			carrier := newTwilio(t, b.address(), time.Second)
			for n := range 4 {
				carrier.carrier.Script(callee(calleeEnds, n), twiliotest.Behaviour{Ring: 12 * time.Second, Talk: 2 * time.Second})
			}
			config := swapConfig(a.url(), carrier.url())
			w.write("config.yaml", config)
			one := w.serveOver(address, "--lease", "5s").ready()
			b.sendsTo(func(*http.Request) string { return one.url })
			id := one.createFrom(w.callees("people.csv", 4, calleeEnds))
			one.eventually(func() bool { return carrier.live() == 4 })

			two := w.serveOver(address, "--lease", "5s")
			w.write("config.yaml", change(config))
			two.rereads("the configuration was read again")
			b.sendsTo(func(*http.Request) string { return two.url })
			one.over(id)
			require.Len(t, a.calls(), 4, "the audio of each has passed through both")
			calls, err := openStore(t, address).Calls(t.Context(), store.CallQuery{Org: "demo", BatchID: id})
			require.NoError(t, err)
			for _, c := range calls {
				require.Equal(t, dialer.ClientHangup, c.EndReason)
				require.Equal(t, "200", c.Details["sip_code"], "the callback of the end has come: %v", c.Details)
			}
			began := time.Now()
			for _, s := range []*served{two, one} {
				r := s.stop()
				require.Zero(t, r.code, r.errOut)
				require.NotContains(t, r.errOut, "is not signed")
				require.NotContains(t, r.errOut, "could not be passed on")
			}
			require.Less(t, time.Since(began), 25*time.Second, "nobody waits for calls that others may have had")
		})
	}
}

// TestACarrierThatIsTakenAwayIsAnsweredWhileTheServerStops has calls go on over a carrier that the configuration has no
// more when the server is stopped: they need their streams.
func TestACarrierThatIsTakenAwayIsAnsweredWhileTheServerStops(t *testing.T) {
	t.Parallel()
	w, a, b := newWorld(t, fast), newStudio(t), newBalancer(t)
	carrier := newTwilio(t, b.address(), time.Second)
	for n := range 3 {
		carrier.carrier.Script(callee(calleeEnds, n), twiliotest.Behaviour{Ring: 4 * time.Second, Talk: 2 * time.Second})
	}
	w.write("config.yaml", swapConfig(a.url(), carrier.url()))
	s := w.serve("--drain", "40s", "--finish", "1s").ready()
	b.sendsTo(func(*http.Request) string { return s.url })
	id := s.createFrom(w.callees("people.csv", 3, calleeEnds))
	s.eventually(func() bool { return carrier.live() == 3 })
	w.write("config.yaml", swapConfig(a.url(), "fake://?channels=20"))
	s.rereads("the configuration was read again")
	r := s.stop()
	require.Zero(t, r.code, r.errOut)
	require.Len(t, a.calls(), 3)
	doc, _ := w.json("export", id)
	for _, r := range doc["recipients"].([]any) {
		require.Equal(t, "client_hangup", r.(map[string]any)["end_reason"])
	}
}

// TestWhatACarrierHasToSayIsInTheLog asks the real program: the log of a process is nothing to be changed in a test.
func TestWhatACarrierHasToSayIsInTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	carrier := newTwilio(t, freeAddress(t), time.Second)
	w.write("config.yaml", swapConfig("ws://127.0.0.1:9/", carrier.url()))
	c := w.child("--log", "json")
	status, _ := c.ask(http.MethodPost, "/carriers/trunk/status?call=x", "a=b")
	require.Equal(t, http.StatusForbidden, status)
	c.eventually(func() bool { return strings.Contains(c.errOut.String(), `"msg":"twilio: a callback is not signed`) })
	c.terminate()
}

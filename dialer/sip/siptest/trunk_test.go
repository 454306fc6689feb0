package siptest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

func TestFailover(t *testing.T) {
	t.Parallel()
	takes := script{invited(), answer(), bye()}
	const taken = "INVITE ACK 200/BYE"
	toBackup := map[string]string{"trunk": "backup", "sip_code": "200"}
	var all []scenario
	for code, phrase := range map[int]string{500: "Server Internal Error", 502: "Bad Gateway", 503: "Service Unavailable"} {
		all = append(all, scenario{
			name: "after " + phrase, peer: script{invited(), trying(), refuse(code, phrase)}, backup: takes,
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK", spares: taken, details: toBackup,
		})
	}
	play(t, append(all, []scenario{
		{
			name: "after a refused connection", only: "tcp", peer: takes, backup: takes,
			trunk: func(t *sip.Trunk) { t.Port = 9 }, // where nobody listens
			ends:  dialer.ClientHangup, connected: true, spares: taken, details: toBackup,
		},
		{
			name: "not after ringing", peer: script{invited(), ringing(), refuse(503, "Service Unavailable")}, backup: takes,
			ends: dialer.DialFailed, hears: "INVITE ACK", details: map[string]string{"trunk": "sipp", "sip_code": "503"},
		},
		{
			name: "not after early media", peer: script{invited(), progress(), refuse(500, "Broken")}, backup: takes,
			ends: dialer.DialFailed, hears: "INVITE ACK",
		},
		{ // whoever was asked further on may ring
			name: "not after a time-out further on", peer: script{invited(), trying(), refuse(504, "Server Time-out")}, backup: takes,
			ends: dialer.DialFailed, hears: "INVITE ACK", details: map[string]string{"trunk": "sipp", "sip_code": "504"},
		},
		{
			name: "not after busy", peer: script{invited(), refuse(486, "Busy Here")}, backup: takes,
			ends: dialer.DialBusy, hears: "INVITE ACK",
		},
		{
			name: "not after the callee's decline", peer: script{invited(), refuse(603, "Decline")}, backup: takes,
			ends: dialer.DialBusy, hears: "INVITE ACK",
		},
		{
			name: "both are broken",
			peer: script{invited(), refuse(500, "Broken")}, backup: script{invited(), refuse(502, "Broken")},
			ends: dialer.DialFailed, hears: "INVITE ACK", spares: "INVITE ACK", details: map[string]string{"trunk": "backup"},
		},
		{
			name: "both are full",
			peer: script{invited(), refuse(503, "Full")}, backup: script{invited(), refuse(503, "Full")},
			fails: dialer.ErrNotPlaced, hears: "INVITE ACK", spares: "INVITE ACK",
		},
		{
			name: "the connection breaks while it rings", only: "tcp", wired: true, backup: takes,
			peer: script{invited(), trying(), ringing(), cancelled()},
			do: func(a *act) {
				a.reaches(dialer.Ringing)
				a.wire.cut()
			},
			ends: dialer.Error, hears: "INVITE CANCEL ACK",
		},
		{
			name: "the connection breaks in the call", only: "tcp", wired: true, backup: takes,
			peer: script{
				invited(), trying(), ringing(), answer(),
				expectAs("AGAIN", "INVITE"), replyTo("AGAIN", 200, "OK", sdp, contact), expect("ACK"), bye(),
			},
			do: func(a *act) {
				a.received("ACK")
				a.wire.cut()
			},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK INVITE ACK 200/BYE",
		},
	}...))
}

func TestATrunkRestsThatAskedForIt(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			first := newCarrier(t, transport, script{invited(), refuse(503, "Full", "Retry-After: 2"), pause(500)})
			second := newCarrier(t, transport, script{invited(), answer(), bye()}, "-m", "2")
			d := newDialer(t, sip.Config{Trunks: []sip.Trunk{first.trunk(), second.trunk()}})
			for range 2 {
				r := begin(t, d, newCall())
				r.over()
				require.NoError(t, r.err)
				require.Equal(t, dialer.ClientHangup, r.outcome.Reason)
			}
			first.hears(t, "INVITE ACK")
			second.hears(t, "INVITE ACK 200/BYE INVITE ACK 200/BYE")
		})
	}
}

func TestARedirectionIsFollowedWhereItMay(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			second := newCarrier(t, transport, script{invited(), answer(), bye()})
			first := newCarrier(t, transport, script{
				invited(), refuse(302, "Moved Temporarily", "Contact: <sip:moved@127.0.0.1:[other]>"),
			}, "-key", "other", port(second.port))
			trunk := first.trunk()
			trunk.Redirects = 1
			r := begin(t, newDialer(t, sip.Config{Trunks: []sip.Trunk{trunk}}), newCall())
			r.over()
			require.NoError(t, r.err)
			require.Equal(t, dialer.ClientHangup, r.outcome.Reason)
			first.hears(t, "INVITE ACK")
			trace := second.hears(t, "INVITE ACK 200/BYE")
			require.Contains(t, of(t, trace, "INVITE", 0).first, " sip:moved@127.0.0.1:")
		})
	}
}

// told is a logger's handler that tells when something was logged.
type told struct {
	slog.Handler

	text string
	seen chan struct{}
}

func (l told) Handle(_ context.Context, r slog.Record) error {
	if r.Message == l.text {
		select {
		case l.seen <- struct{}{}:
		default:
		}
	}
	return nil
}

func (told) Enabled(context.Context, slog.Level) bool { return true }

func TestATrunkThatIsAskedAndIsThereNoMore(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			first := newCarrier(t, transport, script{expect("OPTIONS"), ok()}) // SIPp ends after that
			second := newCarrier(t, transport, script{invited(), answer(), bye()})
			trunk := first.trunk()
			trunk.KeepAlive = 200 * time.Millisecond
			seen := make(chan struct{}, 1)
			d := newDialer(t, sip.Config{
				Trunks: []sip.Trunk{trunk, second.trunk()},
				Logger: slog.New(told{slog.DiscardHandler, "a server of a SIP trunk came or went", seen}),
			})
			first.hears(t, "OPTIONS")
			select {
			case <-seen:
			case <-time.After(patience):
				require.Fail(t, "it is not noticed that the trunk is gone")
			}
			r := begin(t, d, newCall())
			r.over()
			require.NoError(t, r.err)
			require.Equal(t, dialer.ClientHangup, r.outcome.Reason)
			second.hears(t, "INVITE ACK 200/BYE")
		})
	}
}

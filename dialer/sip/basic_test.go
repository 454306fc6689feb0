package sip_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

func overEach(t *testing.T, test func(t *testing.T, transport string)) {
	t.Helper()
	for _, transport := range []string{"udp", "tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			test(t, transport)
		})
	}
}

func TestCalleeHangsUp(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, transport string) {
		p := newPeer(t, transport, func(l *leg) {
			l.trying()
			l.talk()
			l.bye(`Reason: Q.850;cause=16;text="Terminated"`)
		})
		o := begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(dialer.ClientHangup)
		require.Equal(t, []string{"INVITE", "ACK"}, p.only().saw())
		require.False(t, o.RangAt.IsZero())
		require.False(t, o.ConnectedAt.Before(o.RangAt))
		require.False(t, o.EndedAt.Before(o.ConnectedAt))
		require.Equal(t, "16", o.Details["q850_cause"])
		require.Equal(t, "200", o.Details["sip_code"])
		require.Equal(t, "peer", o.Details["trunk"])
		require.Equal(t, o.Ref, o.Details["sip_call_id"])
		for _, key := range []string{"invite_at", "trying_at", "ringing_at", "answered_at", "acked_at", "ended_at"} {
			_, err := time.Parse(time.RFC3339, o.Details[key])
			require.NoError(t, err, key)
		}
		p.balanced()
	})
}

func TestCallerHangsUp(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, transport string) {
		p := newPeer(t, transport, func(l *leg) { l.talk() })
		r := begin(t, newDialer(t, trunkTo(p)), callTo(callee)).reaches(dialer.Connected)
		r.cancel(dialer.HangUp(dialer.Inactivity))
		r.ends(dialer.Inactivity)
		p.balanced()
		require.Equal(t, []string{"INVITE", "ACK", "BYE"}, p.only().saw())
	})
}

func TestCancelWhileRinging(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, transport string) {
		p := newPeer(t, transport, func(l *leg) { l.ring() })
		r := begin(t, newDialer(t, trunkTo(p)), callTo(callee)).reaches(dialer.Ringing)
		r.cancel(nil)
		r.ends(dialer.APICancelled)
		l := p.only()
		l.expect("ACK")
		require.Equal(t, []string{"INVITE", "CANCEL", "ACK"}, l.saw())
		p.balanced()
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for code, reason := range map[int]dialer.EndReason{
		486: dialer.DialBusy, 600: dialer.DialBusy, 603: dialer.DialBusy, 607: dialer.DialBusy,
		480: dialer.DialNoAnswer, 487: dialer.DialNoAnswer,
		302: dialer.DialFailed, 403: dialer.DialFailed, 404: dialer.DialFailed, 408: dialer.DialFailed,
		410: dialer.DialFailed, 484: dialer.DialFailed, 488: dialer.DialFailed, 500: dialer.DialFailed,
		421: dialer.DialFailed, 604: dialer.DialFailed,
	} {
		t.Run(string(reason)+"/"+time.Duration(code).String(), func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", func(l *leg) { l.reply(l.first, code, "No", "Reason: Q.850;cause=17") })
			o := begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(reason)
			p.only().afterwards("ACK")
			require.Equal(t, "17", o.Details["q850_cause"])
			require.Equal(t, "No", o.Details["sip_phrase"])
			require.True(t, o.ConnectedAt.IsZero())
			p.balanced()
		})
	}
}

package twilio_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

// letGo places a call and lets go of it when it has come so far.
func (r *rig) letGo(t *testing.T, call dialer.Call, stage dialer.Stage) dialer.Call {
	t.Helper()
	u := begin(t, r.Dial, call)
	call.Ref = u.reach(stage)
	u.cancel(dialer.ErrDetached)
	require.ErrorIs(t, u.over().err, dialer.ErrDetached)
	return call
}

func TestAnotherProcessGoesOn(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"by its SID", "by its numbers", "without its agent"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, findsIt)
			r.twilio.Script(string(ada), twiliotest.Behaviour{Ring: time.Second, Talk: twiliotest.Forever})
			call := r.letGo(t, r.call("call", ada), dialer.Ringing)
			sid := call.Ref
			switch name {
			case "by its numbers":
				call.Ref = ""
			case "without its agent":
				call.Agent.URL = "" // an engine that has just begun may not know it yet
			}
			second := r.open(t)
			u := begin(t, second.Resume, call)
			require.Equal(t, sid, u.reach(dialer.Accepted))
			require.Eventually(t, func() bool { return len(r.agent.messages()) > 0 }, soon, tick, "the agent talks to who answered")
			r.update(t, sid, "completed")
			got := u.over()
			require.NoError(t, got.err)
			require.Equal(t, dialer.ClientHangup, got.outcome.Reason)
			require.False(t, got.outcome.ConnectedAt.IsZero())
			require.Equal(t, sid, got.outcome.Ref)
			require.Equal(t, 1, r.twilio.Placed())
		})
	}
}

func TestAnotherProcessHangsUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.twilio.Script(string(ada), twiliotest.Behaviour{Ring: twiliotest.Forever})
	call := r.letGo(t, r.call("call", ada), dialer.Ringing)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(dialer.HangUp(dialer.Inactivity))
	got := place(ctx, r.open(t).Resume, call, nil) // over already: only the carrier can end it
	require.NoError(t, got.err)
	require.Equal(t, dialer.Inactivity, got.outcome.Reason)
	r.noneLive(t)
}

func TestAnotherProcessLearnsHowItEnded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		goes      twiliotest.Behaviour
		ring, max time.Duration
		ends      dialer.EndReason
	}{
		{name: "busy", goes: twiliotest.Behaviour{End: "busy"}, ends: dialer.DialBusy},
		{name: "failed", goes: twiliotest.Behaviour{End: "failed"}, ends: dialer.DialFailed},
		{name: "answered", goes: twiliotest.Behaviour{Talk: 100 * time.Millisecond}, ends: dialer.ClientHangup},
		{name: "cancelled by somebody", goes: twiliotest.Behaviour{End: "canceled"}, ends: dialer.APICancelled},
		{name: "rang for too long", goes: twiliotest.Behaviour{Ring: twiliotest.Forever}, ring: 100 * time.Millisecond, ends: dialer.DialNoAnswer},
		{name: "lasted for too long", goes: twiliotest.Behaviour{Talk: twiliotest.Forever}, max: 100 * time.Millisecond, ends: dialer.MaxDuration},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.twilio.Script(string(ada), test.goes)
			call := r.call("call", ada)
			if test.ring > 0 {
				call.RingTimeout = test.ring
			}
			if test.max > 0 {
				call.MaxDuration = test.max
			}
			first := r.dial(t, call)
			require.Equal(t, test.ends, first.outcome.Reason)
			call.Ref = first.outcome.Ref
			again := begin(t, r.open(t).Resume, call).over()
			require.NoError(t, again.err)
			require.Equal(t, test.ends, again.outcome.Reason)
			require.Equal(t, first.outcome.ConnectedAt.IsZero(), again.outcome.ConnectedAt.IsZero())
		})
	}
}

func TestResumeThatCannotAsk(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.twilio.Script(string(ada), twiliotest.Behaviour{
		Talk: twiliotest.Forever, Fetch: []twiliotest.Fault{{Status: 500}}, List: []twiliotest.Fault{{Status: 500}, {Status: 503}},
	})
	call := r.letGo(t, r.call("call", ada), dialer.Connected)
	second := r.open(t)
	got := begin(t, second.Resume, call).over()
	require.Error(t, got.err)
	require.NotErrorIs(t, got.err, dialer.ErrUnknownCall)
	require.NotErrorIs(t, got.err, dialer.ErrNotPlaced)
	u := begin(t, second.Resume, call) // as the engine does
	u.reach(dialer.Connected)
	u.cancel(nil)
	require.Equal(t, dialer.APICancelled, u.over().outcome.Reason)

	r.twilio.Expire(true)
	got = begin(t, r.open(t).Resume, call).over()
	require.ErrorAs(t, got.err, new(*dialer.UnavailableError))
}

func TestReferenceOfAnotherCallIsUnknown(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	other := r.dial(t, r.call("other", "+14155550199"))
	for _, ref := range []string{other.outcome.Ref, "CA" + string(make([]byte, 32)), "CAffffffffffffffffffffffffffffffff", "x"} {
		call := r.call("call", ada)
		call.Ref = ref
		got := begin(t, r.open(t).Resume, call).over()
		require.ErrorIs(t, got.err, dialer.ErrUnknownCall, ref)
	}
}

package twilio_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

// placedAndLost is a call that Twilio has and of which this process has learned nothing.
func (r *rig) placedAndLost(t *testing.T, goes twiliotest.Behaviour) dialer.Call {
	t.Helper()
	goes.All, goes.Stream.Never = lose, true
	goes.Create = []twiliotest.Fault{{Linger: time.Minute}}
	r.twilio.Script(string(ada), goes)
	call := r.call("call", ada)
	call.RingTimeout = time.Second
	u := begin(t, r.Dial, call)
	require.Eventually(t, func() bool { return r.twilio.Placed() == 1 }, soon, tick)
	u.cancel(dialer.ErrDetached)
	require.ErrorIs(t, u.over().err, dialer.ErrDetached)
	return call
}

// TestACallIsFoundWhateverTheClocks has Twilio's clock far from ours, its dates and the attempt's in odd time zones,
// and a process that has heard nothing of Twilio before.
func TestACallIsFoundWhateverTheClocks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]twiliotest.Config{
		"a day ahead":        {Ahead: 24 * time.Hour},
		"a day behind":       {Ahead: -24 * time.Hour},
		"a minute behind":    {Ahead: -time.Minute},
		"dates of elsewhere": {Zone: time.FixedZone("", -int((9*time.Hour+30*time.Minute)/time.Second))},
		"dates of elsewhere, an hour ahead": {
			Zone: time.FixedZone("", int((5*time.Hour+45*time.Minute)/time.Second)), Ahead: time.Hour,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRigOver(t, c, nil)
			call := r.placedAndLost(t, twiliotest.Behaviour{Ring: time.Second / 2, End: "busy"})
			call.PlacedAt = call.PlacedAt.In(time.FixedZone("summer", 3*60*60)).Round(0)
			got := begin(t, r.open(t).Resume, call).over()
			require.Equal(t, string(dialer.DialBusy), got.end(), "%v", got.err)
			require.Equal(t, "list", got.outcome.Details["found_by"])
		})
	}
}

// TestACallIsFoundBehindMany has others call the same number since, more often than a page of the list has
// room for.
func TestACallIsFoundBehindMany(t *testing.T) {
	t.Parallel()
	i := newInspector(t)
	i.answers = true
	r := newRig(t, nil, i.wrap)
	call := r.placedAndLost(t, twiliotest.Behaviour{End: "busy"})
	r.twilio.Age(2 * time.Hour)
	call.PlacedAt = call.PlacedAt.Add(-2 * time.Hour)
	r.twilio.Script(string(ada), twiliotest.Behaviour{End: "no-answer", Decoys: 130})
	require.NoError(t, r.dial(t, r.call("another", ada)).err)
	got := begin(t, r.open(t).Resume, call).over()
	require.Equal(t, string(dialer.DialBusy), got.end(), "%v", got.err)
}

// TestACallFromBeforeIsNotTaken has one that looks like the attempt's but for its time.
func TestACallFromBeforeIsNotTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.placedAndLost(t, twiliotest.Behaviour{End: "busy"})
	for _, at := range []time.Duration{-time.Hour, time.Hour} {
		call := r.call("another", ada)
		call.PlacedAt = call.PlacedAt.Add(at)
		require.ErrorIs(t, begin(t, r.open(t).Resume, call).over().err, dialer.ErrUnknownCall)
	}
}

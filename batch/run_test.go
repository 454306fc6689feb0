package batch_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
)

func TestEveryKindOfEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		ends := []fake.Behaviour{
			{End: dialer.ClientHangup, Ring: time.Second, Talk: time.Minute},
			{End: dialer.AgentHangup, Ring: time.Second, Talk: time.Minute},
			{End: dialer.DialBusy, Ring: time.Second},
			{End: dialer.DialNoAnswer, Ring: fake.Forever},
			{End: dialer.DialFailed},
			{End: dialer.Inactivity, Talk: time.Second},
			{Talk: fake.Forever},
			{Fault: fake.Refuse, Message: "no such number"},
		}
		for i, b := range ends {
			w.script(i, 1, b)
		}
		w.run()
		b := w.create(request(len(ends)))
		require.Equal(t, fsm.BatchPending, b.Status())
		got := w.awaitOver(b.ID, 10*time.Hour)
		require.Equal(t, fsm.BatchCompleted, got.Status())
		require.Equal(t, fsm.Counts{Completed: 4, Failed: 4, Unplaced: 1}, got.Counts)
		rs := w.recipients(b.ID)
		want := []dialer.EndReason{
			dialer.ClientHangup, dialer.AgentHangup, dialer.DialBusy, dialer.DialNoAnswer,
			dialer.DialFailed, dialer.Inactivity, dialer.MaxDuration, "",
		}
		for i, r := range rs {
			require.Equal(t, want[i], r.EndReason, "recipient %d", i)
			require.Equal(t, r.EndReason == "", r.CallID == "")
			require.Equal(t, r.EndReason == "", r.Error != "")
		}
		require.Contains(t, rs[7].Error, "no such number")
		w.judge()
	})
}

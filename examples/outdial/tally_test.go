package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func TestTally(t *testing.T) {
	began := time.Date(2026, 6, 15, 16, 0, 0, 0, time.UTC)
	tl := newTally(store.Batch{Counts: fsm.Counts{Queued: 10, Completed: 10}}, began)
	apply := func(from, to int, status fsm.RecipientStatus, reason dialer.EndReason) {
		for i := from; i < to; i++ {
			tl.apply(store.Recipient{Index: i, Status: status, EndReason: reason})
		}
	}
	apply(0, 5, fsm.Completed, dialer.AgentHangup) // before this process began
	apply(5, 15, fsm.Started, "")
	apply(5, 10, fsm.Completed, dialer.ClientHangup)
	apply(10, 11, fsm.Failed, dialer.DialBusy)
	apply(11, 12, fsm.Failed, "")
	apply(12, 13, fsm.Failed, dialer.Error)
	apply(20, 21, fsm.Completed, "") // no recipient of the batch
	p := tl.progress(began.Add(time.Minute))
	require.Equal(t, 13, p.over)
	require.Equal(t, "5 queued, 0 ringing, 2 talking, 8 a minute, 53s left", p.now())
	require.Equal(t, "10 completed, 1 busy, 1 failed, 1 not called", p.done())
}

func TestRoughly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1200 * time.Millisecond: "1s", 59 * time.Second: "59s", 200 * time.Second: "3m20s", 184 * time.Second: "3m00s",
		time.Hour: "1h00m", 2*time.Hour + 10*time.Minute + 40*time.Second: "2h11m",
	} {
		require.Equal(t, want, roughly(d))
	}
}

func TestPlural(t *testing.T) {
	require.Equal(t, "1 recipient", plural(1, "recipient"))
	require.Equal(t, "0 recipients", plural(0, "recipient"))
	require.Equal(t, "5,000 recipients", plural(5000, "recipient"))
	require.Equal(t, "1,234,567", thousands(1234567))
	require.Equal(t, "999", thousands(999))
}

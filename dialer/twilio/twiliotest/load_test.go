package twiliotest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

// TestFiveThousand dials a batch of 5,000 recipients in a process of its own. Each call has five callbacks, of which
// some come twice, some late and some never.
func TestFiveThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some tens of seconds")
	}
	recipients := 5000
	if isRace {
		recipients = 500 // the race detector makes everything ten times slower
	}
	w := newWorld(t, twiliotest.Config{MediaEvery: time.Second / 2}, recipients)
	w.life.Target, w.life.CPS, w.life.Machines = 500, 2000, twilio.Detect
	w.life.Timing = twilio.Timing{
		Request: 20 * time.Second, Create: 30 * time.Second, LookUp: 20 * time.Second, Queue: 20 * time.Second,
		PollAfter: time.Second, PollEvery: 2 * time.Second,
	}
	want := map[string]dialer.EndReason{}
	for i, number := range w.numbers {
		b := twiliotest.Behaviour{Ring: 200 * time.Millisecond, Talk: time.Second}
		want[string(number)] = dialer.ClientHangup
		switch i % 10 {
		case 1:
			b.End = "busy"
			want[string(number)] = dialer.DialBusy
		case 2:
			b.All = twiliotest.Delivery{Times: 2}
		case 3:
			b.Callbacks = map[string]twiliotest.Delivery{"end": {Lose: true}}
		case 4:
			b.Callbacks = map[string]twiliotest.Delivery{"in-progress": {Late: time.Second}, "initiated": {Late: time.Second}}
		case 5:
			b.All = twiliotest.Delivery{Times: 2}
			b.Create = []twiliotest.Fault{{Accept: true, Status: 503}}
		}
		w.twilio.Script(string(number), b)
	}
	require.NoError(t, w.life.create(t.Context(), w.numbers))
	began := time.Now()
	p := w.finish(5 * time.Minute)
	took := time.Since(began)
	require.Eventually(t, func() bool { return w.twilio.Live() == 0 }, 20*time.Second, 50*time.Millisecond)

	rings := w.rings()
	for _, r := range w.recipients() {
		require.Equal(t, 1, rings[string(r.To)], "recipient %d rang", r.Index)
		require.Equal(t, want[string(r.To)], r.EndReason, "recipient %d", r.Index)
	}
	made, taken := w.twilio.Callbacks()
	require.GreaterOrEqual(t, made, recipients*4)
	// What was late for a call that had ended may come when the process has, too.
	require.GreaterOrEqual(t, taken, made-made/20)
	cpu := p.ProcessState.UserTime() + p.ProcessState.SystemTime()
	t.Logf("%d calls in %v, %d callbacks, %d taken; the process that dials used %v, which is %v for each call",
		recipients, took.Round(time.Second/10), made, taken, cpu.Round(time.Millisecond),
		(cpu / time.Duration(recipients)).Round(time.Microsecond))
}

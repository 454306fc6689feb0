package twiliotest_test

import (
	"cmp"
	"flag"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

var (
	worlds    = flag.Int("worlds", 3, "how many processes TestKill kills beside each other")
	kills     = flag.Int("kills", 10, "how often it kills each")
	killEvery = flag.Duration("killevery", 2*time.Second, "how long TestKill lets it live, give or take a half")
	killSeed  = flag.Uint64("killseed", 0, "when to kill it; 0: another time each run")
)

// So many are about as many as are over when the last life begins. A machine that is fast may be done sooner.
const recipientsPerKill = 13

// TestKill kills processes that dial with SIGKILL, again and again, while Twilio goes on and has faults
// of its own. Then it compares what the database of each says with Twilio's books.
func TestKill(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it kills processes for half a minute")
	}
	seed := cmp.Or(*killSeed, uint64(time.Now().UnixNano()))
	t.Logf("%d times %d kills, -killseed %d", *worlds, *kills, seed)
	for i := range *worlds {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			kill(t, rand.New(rand.NewPCG(seed, uint64(i))))
		})
	}
}

// kill has a world of its own.
func kill(t *testing.T, random *rand.Rand) {
	t.Helper()
	w := newWorld(t, twiliotest.Config{MediaEvery: 200 * time.Millisecond}, recipientsPerKill**kills)
	w.life.Target, w.life.CPS = 12, 200
	w.life.Timing = twilio.Timing{
		Request: time.Second, Create: 3 * time.Second, LookUp: 10 * time.Second, LookUpEvery: 200 * time.Millisecond,
		Queue: 5 * time.Second, PollAfter: 200 * time.Millisecond, PollEvery: 400 * time.Millisecond,
		Settle: 200 * time.Millisecond,
	}
	for i, number := range w.numbers {
		w.twilio.Script(string(number), behaviourOf(i))
	}
	require.NoError(t, w.life.create(t.Context(), w.numbers))
	live := map[string]string{} // the status of a call when its process was killed, by SID
	for n := range *kills {
		p := w.begin()
		wait := *killEvery/2 + time.Duration(random.Int64N(int64(*killEvery)))
		select {
		case err := <-p.over:
			require.NoError(t, err, p.stderr.String())
			require.GreaterOrEqual(t, 2*n, *kills, "it was over before half of the kills")
			t.Logf("it was over after %d kills", n)
			w.judge(live)
			return
		case <-time.After(wait):
		}
		require.NoError(t, p.Process.Kill())
		require.Error(t, <-p.over, "it was killed")
		for _, e := range w.twilio.Books() {
			if e.Status == "queued" || e.Status == "ringing" || e.Status == "in-progress" {
				live[e.SID] = e.Status
			}
		}
	}
	w.finish(2 * time.Minute)
	w.judge(live)
}

// behaviourOf gives each recipient a fate, which goes round.
func behaviourOf(i int) twiliotest.Behaviour {
	const ring, talk = 700 * time.Millisecond, 2 * time.Second
	b := twiliotest.Behaviour{Ring: ring, Talk: talk}
	lose := twiliotest.Delivery{Lose: true}
	switch i % 12 {
	case 1:
		b.End = "busy"
	case 2:
		b.End = "no-answer"
	case 3:
		b.Create = []twiliotest.Fault{{Accept: true, Reset: true}}
	case 4:
		b.Create = []twiliotest.Fault{{Accept: true, Status: 500}}
	case 5:
		b.Create = []twiliotest.Fault{{Linger: 3 * time.Second}} // longer than a request may take
	case 6:
		b.Create = []twiliotest.Fault{{Status: 429, Code: 20429, After: time.Second}}
	case 7:
		b.All = lose
	case 8:
		b.Create, b.Listed = []twiliotest.Fault{{Accept: true, Reset: true}}, time.Second
	case 9:
		b.All = twiliotest.Delivery{Late: time.Second, Times: 2}
	case 10:
		b.Queue = time.Second
	case 11:
		b.Create, b.All = []twiliotest.Fault{{Linger: time.Second / 2}}, lose
	}
	return b
}

// judge wants every phone to have rung once, and every recipient to have ended as its call did.
func (w *world) judge(live map[string]string) {
	t := w.t
	t.Helper()
	require.Eventually(t, func() bool { return w.twilio.Live() == 0 }, 20*time.Second, 50*time.Millisecond)
	rings := w.rings()
	calls := map[string]twiliotest.Entry{}
	wentOn := 0
	for _, e := range w.twilio.Books() {
		require.NotContains(t, calls, e.CallID, "an attempt was created twice")
		calls[e.CallID] = e
		if was := live[e.SID]; (was == "queued" || was == "ringing") && e.Answered {
			wentOn++
		}
	}
	unknown := 0
	for _, r := range w.recipients() {
		require.LessOrEqual(t, rings[string(r.To)], 1, "%v rang twice", r.To)
		require.Contains(t, []fsm.RecipientStatus{fsm.Completed, fsm.Failed}, r.Status, "recipient %d", r.Index)
		call, isPlaced := calls[r.CallID]
		if !isPlaced { // the process was killed before it could tell Twilio
			require.Equal(t, dialer.Error, r.EndReason)
			require.Zero(t, rings[string(r.To)])
			unknown++
			continue
		}
		require.NotEqual(t, dialer.Error, r.EndReason, "recipient %d: %s, %+v", r.Index, w.errorOf(r), call)
		w.agrees(r, call)
	}
	t.Logf("%d recipients, %d calls, %d were live at a kill, of which %d were answered after it; %d never reached Twilio",
		len(w.numbers), len(calls), len(live), wentOn, unknown)
	require.Positive(t, wentOn)
}

// agrees compares a recipient with its call.
func (w *world) agrees(r store.Recipient, e twiliotest.Entry) {
	w.t.Helper()
	want := map[string][]dialer.EndReason{
		"completed": {dialer.ClientHangup, dialer.ClientDisconnected},
		"busy":      {dialer.DialBusy},
		"no-answer": {dialer.DialNoAnswer},
		"canceled":  {dialer.DialNoAnswer, dialer.APICancelled},
		"failed":    {dialer.DialFailed},
	}[e.Status]
	require.Contains(w.t, want, r.EndReason, "recipient %d: %+v", r.Index, e)
}

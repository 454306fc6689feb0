package twilio_test

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

const (
	perScenario = 20
	brief       = 50 * time.Millisecond
	slow        = 6 * slower * time.Second // more than a request may take
)

// scenario is something that goes wrong, and what must come of it.
type scenario struct {
	name    string
	goes    twiliotest.Behaviour
	cancel  time.Duration // when the caller cancels; 0: never
	ring    time.Duration // how long it may ring; 0: 3 s
	rings   int           // how often the phone rings; -1: once or not at all
	ends    string        // the reason, or: refused, unavailable, unknown
	status  string        // of the call at Twilio in the end; empty: not looked at
	details map[string]string
}

const (
	isRefused     = "refused"
	isUnavailable = "unavailable"
	isUnknown     = "unknown"
)

func (d dialled) end() string {
	var busy *dialer.UnavailableError
	switch {
	case d.err == nil:
		return string(d.outcome.Reason)
	case errors.As(d.err, &busy):
		return isUnavailable
	case errors.Is(d.err, dialer.ErrNotPlaced):
		return isRefused
	}
	return isUnknown
}

// lostAnswer is a request that was carried out and whose answer never came.
var (
	lostAnswer = []twiliotest.Fault{{Accept: true, Reset: true}}
	answered   = string(dialer.ClientHangup)
	lose       = twiliotest.Delivery{Lose: true}
	serverIll  = twiliotest.Fault{Status: http.StatusInternalServerError}
	tooMany    = twiliotest.Fault{Status: http.StatusTooManyRequests, Code: 20429}
)

func scenarios() []scenario {
	talk := func(b twiliotest.Behaviour) twiliotest.Behaviour {
		b.Ring, b.Talk = brief, 6*brief
		return b
	}
	create := func(faults ...twiliotest.Fault) twiliotest.Behaviour {
		return talk(twiliotest.Behaviour{Create: faults})
	}
	callbacks := func(m map[string]twiliotest.Delivery) twiliotest.Behaviour {
		return talk(twiliotest.Behaviour{Callbacks: m})
	}
	forever := func(b twiliotest.Behaviour) twiliotest.Behaviour {
		b.Ring, b.Talk = brief, twiliotest.Forever
		return b
	}
	cancelled := string(dialer.APICancelled)
	return []scenario{
		{name: "nothing", goes: create(), rings: 1, ends: answered},
		{name: "busy", goes: twiliotest.Behaviour{Ring: brief, End: "busy"}, rings: 1, ends: string(dialer.DialBusy)},
		{name: "not answered", goes: twiliotest.Behaviour{Ring: brief, End: "no-answer"}, rings: 1, ends: string(dialer.DialNoAnswer)},
		{name: "nobody picks up", goes: twiliotest.Behaviour{Ring: twiliotest.Forever}, rings: 1, ends: string(dialer.DialNoAnswer)},
		{name: "cannot be reached", goes: twiliotest.Behaviour{End: "failed"}, rings: 0, ends: string(dialer.DialFailed)},
		{name: "somebody else cancels it", goes: twiliotest.Behaviour{Ring: brief, End: "canceled"}, rings: 1, ends: cancelled},

		{name: "429 once", goes: create(tooMany), rings: 1, ends: answered},
		{name: "429 three times", goes: create(tooMany, tooMany, tooMany), rings: 1, ends: answered},
		{name: "429 with Retry-After", goes: create(twiliotest.Fault{Status: 429, Code: 20429, After: time.Second}), rings: 1, ends: answered},
		{name: "429 of a proxy", goes: create(twiliotest.Fault{Status: 429, Body: "<html>slow down</html>"}), rings: 1, ends: answered},
		{name: "429 for ever", goes: twiliotest.Behaviour{Always: &twiliotest.Fault{Status: 429, Code: 20429, After: time.Minute}}, ends: isUnavailable},
		{name: "429 with Retry-After as a date", goes: create(twiliotest.Fault{Status: 429, Code: 20429, After: 2 * time.Second, Dated: true}), rings: 1, ends: answered},
		{name: "400, too many calls at once", goes: create(twiliotest.Fault{Status: 400, Code: 10004}), rings: 1, ends: answered},
		{name: "refused, the callee", goes: create(twiliotest.Fault{Status: 400, Code: 21211}), ends: isRefused},
		{name: "refused, the caller", goes: create(twiliotest.Fault{Status: 400, Code: 21210}), ends: isUnavailable},
		{name: "refused, the account", goes: create(twiliotest.Fault{Status: 403, Code: 20005}), ends: isUnavailable},
		{name: "refused, for no known reason", goes: create(twiliotest.Fault{Status: 400}), ends: isUnavailable},
		{name: "429, then a lost answer", goes: create(tooMany, lostAnswer[0]), rings: 1, ends: answered},

		{name: "reset after it was accepted", goes: create(lostAnswer...), rings: 1, ends: answered},
		{name: "reset before it was accepted", goes: create(twiliotest.Fault{Reset: true}), rings: 0, ends: isUnknown},
		{name: "500 after it was accepted", goes: create(twiliotest.Fault{Status: 500, Accept: true}), rings: 1, ends: answered},
		{name: "500 before it was accepted", goes: create(serverIll), rings: 0, ends: isUnknown},
		{name: "502 of a proxy after it was accepted", goes: create(twiliotest.Fault{Status: 502, Accept: true, Body: "<html>bad gateway</html>"}), rings: 1, ends: answered},
		{name: "503 of a proxy, with Retry-After", goes: create(twiliotest.Fault{Status: 503, Body: "<html>later</html>", After: time.Second}), rings: 0, ends: isUnknown},
		{name: "504 after it was accepted", goes: create(twiliotest.Fault{Status: 504, Accept: true}), rings: 1, ends: answered},
		{name: "408 after it was accepted", goes: create(twiliotest.Fault{Status: 408, Accept: true}), rings: 1, ends: answered},
		{name: "409 after it was accepted", goes: create(twiliotest.Fault{Status: 409, Accept: true}), rings: 1, ends: answered},
		{name: "a redirect after it was accepted", goes: create(twiliotest.Fault{Status: 307, Accept: true}), rings: 1, ends: answered},
		{name: "499 of a proxy after it was accepted", goes: create(twiliotest.Fault{Status: 499, Accept: true, Body: "<html>gone</html>"}), rings: 1, ends: answered},
		{name: "an answer byte by byte", goes: create(twiliotest.Fault{Trickle: slow}), rings: 1, ends: answered},
		{name: "an answer that is too long", goes: create(twiliotest.Fault{Body: `{"a":"` + strings.Repeat("x", 2<<20) + `"}`}), rings: 1, ends: answered},
		{name: "a slow answer", goes: create(twiliotest.Fault{Linger: slow}), rings: 1, ends: answered},
		{name: "accepted after the request was given up", goes: create(twiliotest.Fault{Late: slow - time.Second, Linger: slow}), rings: 1, ends: answered},
		{name: "an answer that is no JSON", goes: create(twiliotest.Fault{Body: "<html>created</html>"}), rings: 1, ends: answered},
		{name: "an answer without a call", goes: create(twiliotest.Fault{Body: "{}"}), rings: 1, ends: answered},
		{name: "an answer with an odd SID", goes: create(twiliotest.Fault{Body: `{"sid":"CA1"}`}), rings: 1, ends: answered},
		{name: "an answer that breaks off", goes: create(twiliotest.Fault{Cut: true}), rings: 1, ends: answered},

		{name: "lost, and late in the list", goes: talk(twiliotest.Behaviour{Create: lostAnswer, Listed: time.Second, All: lose, Stream: twiliotest.StreamFault{Never: true}}), rings: 1, ends: string(dialer.Error), details: map[string]string{"found_by": "list"}},
		{name: "lost, and never in the list", goes: talk(twiliotest.Behaviour{Create: lostAnswer, Listed: twiliotest.Forever}), rings: 1, ends: answered},
		{name: "lost, and only the stream tells", goes: talk(twiliotest.Behaviour{Create: lostAnswer, Listed: twiliotest.Forever, All: lose}), rings: 1, ends: answered},
		{name: "lost, and only the list tells", goes: twiliotest.Behaviour{Ring: brief, End: "busy", Create: lostAnswer, All: lose}, rings: 1, ends: string(dialer.DialBusy)},
		{name: "lost, and the list is ill", goes: twiliotest.Behaviour{Ring: brief, End: "busy", Create: lostAnswer, All: lose, List: []twiliotest.Fault{serverIll, {Reset: true}}}, rings: 1, ends: string(dialer.DialBusy)},
		{name: "lost, and nothing tells", goes: twiliotest.Behaviour{Ring: brief, End: "busy", Create: lostAnswer, All: lose, Listed: twiliotest.Forever}, rings: 1, ends: isUnknown},
		{name: "lost, and another call looks like it", goes: twiliotest.Behaviour{Ring: brief, End: "busy", Create: lostAnswer, All: lose, Decoys: 1}, rings: 1, ends: isUnknown},
		{name: "lost, another call looks like it, and a callback tells", goes: talk(twiliotest.Behaviour{Create: lostAnswer, Decoys: 1}), rings: 1, ends: answered},
		{name: "turns up after it was given up", goes: twiliotest.Behaviour{Ring: twiliotest.Forever, Create: []twiliotest.Fault{{Reset: true, Late: 2 * slow}}}, rings: -1, ends: isUnknown, status: "canceled"},
		{name: "turns up after it was given up, and only the stream tells", goes: forever(twiliotest.Behaviour{Create: []twiliotest.Fault{{Reset: true, Late: 2 * slow}}, All: lose}), rings: 1, ends: isUnknown},

		{name: "all callbacks are lost", goes: talk(twiliotest.Behaviour{All: lose}), rings: 1, ends: answered},
		{name: "all callbacks are lost, and the stream does not begin", goes: talk(twiliotest.Behaviour{All: lose, Stream: twiliotest.StreamFault{Never: true}}), rings: 1, ends: string(dialer.Error)},
		{name: "all callbacks are lost, and asking fails", goes: talk(twiliotest.Behaviour{All: lose, Fetch: []twiliotest.Fault{serverIll, {Reset: true}}}), rings: 1, ends: answered},
		{name: "Twilio forgets the call", goes: talk(twiliotest.Behaviour{All: lose, Stream: twiliotest.StreamFault{Never: true}, Fetch: slices.Repeat([]twiliotest.Fault{{Status: 404, Code: 20404}}, 20)}), rings: 1, ends: string(dialer.Error)},
		{name: "all callbacks come three times", goes: talk(twiliotest.Behaviour{All: twiliotest.Delivery{Times: 3}}), rings: 1, ends: answered},
		{name: "all callbacks are forged", goes: talk(twiliotest.Behaviour{All: twiliotest.Delivery{Forged: true}}), rings: 1, ends: answered},
		{name: "all callbacks are of another account", goes: talk(twiliotest.Behaviour{All: twiliotest.Delivery{Account: "AC00000000000000000000000000000002"}}), rings: 1, ends: answered},
		{name: "all callbacks are late, the latest first", goes: callbacks(map[string]twiliotest.Delivery{"initiated": {Late: 1600 * time.Millisecond}, "ringing": {Late: 1200 * time.Millisecond}, "in-progress": {Late: 800 * time.Millisecond}, "end": {Late: brief}}), rings: 1, ends: answered},
		{name: "Twilio does not show the call at once", goes: talk(twiliotest.Behaviour{All: lose, Stream: twiliotest.StreamFault{Never: true}, Fetch: []twiliotest.Fault{{Status: 404, Code: 20404}, {Status: 404, Code: 20404}}}), rings: 1, ends: string(dialer.Error)},
		{name: "it seems to wait, and rings", goes: twiliotest.Behaviour{All: lose, Ring: 5 * slower * time.Second, End: "busy"}, ring: time.Minute, rings: 1, ends: string(dialer.DialBusy)},
		{name: "initiated is late", goes: callbacks(map[string]twiliotest.Delivery{"initiated": {Late: time.Second}}), rings: 1, ends: answered},
		{name: "ringing is late", goes: callbacks(map[string]twiliotest.Delivery{"ringing": {Late: time.Second}}), rings: 1, ends: answered},
		{name: "in-progress is late", goes: callbacks(map[string]twiliotest.Delivery{"in-progress": {Late: time.Second}}), rings: 1, ends: answered},
		{name: "in-progress is lost", goes: callbacks(map[string]twiliotest.Delivery{"in-progress": lose}), rings: 1, ends: answered},
		{name: "ringing is lost", goes: callbacks(map[string]twiliotest.Delivery{"ringing": lose}), rings: 1, ends: answered},
		{name: "the end is lost", goes: callbacks(map[string]twiliotest.Delivery{"end": lose}), rings: 1, ends: answered},
		{name: "the end comes twice, late", goes: callbacks(map[string]twiliotest.Delivery{"end": {Late: time.Second, Times: 2}}), rings: 1, ends: answered},

		{name: "waits at Twilio", goes: talk(twiliotest.Behaviour{Queue: time.Second}), rings: 1, ends: answered},
		{name: "waits at Twilio for ever", goes: twiliotest.Behaviour{Queue: twiliotest.Forever}, rings: 0, ends: isUnavailable},
		{name: "waits at Twilio for ever, without callbacks", goes: twiliotest.Behaviour{Queue: twiliotest.Forever, All: lose}, rings: 0, ends: isUnavailable},
		{name: "waits at Twilio, cancelled", goes: twiliotest.Behaviour{Queue: twiliotest.Forever}, cancel: time.Second, rings: 0, ends: cancelled},

		{name: "cancelled while it is being created", goes: forever(twiliotest.Behaviour{Create: []twiliotest.Fault{{Linger: time.Second}}}), cancel: time.Second / 2, rings: -1, ends: cancelled},
		{name: "cancelled while it is looked for", goes: forever(twiliotest.Behaviour{Create: lostAnswer, All: lose, Listed: twiliotest.Forever}), cancel: time.Second / 10, rings: -1, ends: cancelled},
		{name: "hanging up fails", goes: forever(twiliotest.Behaviour{Update: []twiliotest.Fault{serverIll, {Reset: true}}}), cancel: time.Second, rings: 1, ends: cancelled},
		{name: "hanging up is turned away", goes: forever(twiliotest.Behaviour{Update: []twiliotest.Fault{{Status: 429, Code: 20429, After: time.Second}}}), cancel: time.Second, rings: 1, ends: cancelled},
		{name: "hanging up works without an answer", goes: forever(twiliotest.Behaviour{Update: lostAnswer}), cancel: time.Second, rings: 1, ends: cancelled},
		{name: "hanging up is slow", goes: forever(twiliotest.Behaviour{Update: []twiliotest.Fault{{Linger: slow}}}), cancel: time.Second, rings: 1, ends: cancelled},
		{name: "hung up, and the end is lost", goes: forever(twiliotest.Behaviour{Callbacks: map[string]twiliotest.Delivery{"end": lose}}), cancel: time.Second, rings: 1, ends: cancelled},
		{name: "hung up while it rings", goes: twiliotest.Behaviour{Ring: twiliotest.Forever, Cancels: "completed"}, cancel: time.Second, rings: 1, ends: cancelled},

		{name: "the stream never begins", goes: twiliotest.Behaviour{Ring: brief, Talk: 6 * time.Second, Stream: twiliotest.StreamFault{Never: true}}, rings: 1, ends: string(dialer.Error)},
		{name: "the stream breaks and the call goes on", goes: forever(twiliotest.Behaviour{Stream: twiliotest.StreamFault{BreakAt: brief}}), rings: 1, ends: string(dialer.ClientDisconnected)},
		{name: "the stream breaks and asking fails", goes: forever(twiliotest.Behaviour{Stream: twiliotest.StreamFault{BreakAt: brief}, Fetch: []twiliotest.Fault{serverIll}}), rings: 1, ends: string(dialer.ClientDisconnected)},
		{name: "the stream goes silent", goes: forever(twiliotest.Behaviour{Stream: twiliotest.StreamFault{MuteAt: brief}}), rings: 1, ends: string(dialer.Inactivity)},
		{name: "the stream ends without a stop", goes: talk(twiliotest.Behaviour{Stream: twiliotest.StreamFault{NoStop: true}, Callbacks: map[string]twiliotest.Delivery{"end": {Late: slow}}}), rings: 1, ends: answered},
		{name: "the stream brings the token of another call", goes: forever(twiliotest.Behaviour{Stream: twiliotest.StreamFault{Spoilt: true}}), rings: 1, ends: answered},
		{name: "the stream comes twice", goes: talk(twiliotest.Behaviour{Stream: twiliotest.StreamFault{Twice: true}}), rings: 1, ends: answered},
		{name: "the stream ends when it is open", goes: forever(twiliotest.Behaviour{Stream: twiliotest.StreamFault{Stops: twiliotest.Opened}}), rings: 1, ends: answered},
		{name: "the stream ends when it is connected", goes: forever(twiliotest.Behaviour{Stream: twiliotest.StreamFault{Stops: twiliotest.Connected}}), rings: 1, ends: answered},
		{name: "the stream ends in the middle of its start", goes: forever(twiliotest.Behaviour{Stream: twiliotest.StreamFault{Stops: twiliotest.HalfStart}}), rings: 1, ends: answered},
		{name: "the stream ends when it has started", goes: forever(twiliotest.Behaviour{Stream: twiliotest.StreamFault{Stops: twiliotest.Started}}), rings: 1, ends: answered},
		{name: "a machine answers, and that is known late", goes: talk(twiliotest.Behaviour{Machine: "machine_start", Callbacks: map[string]twiliotest.Delivery{"machine": {Late: time.Second}}}), rings: 1, ends: answered},
		{name: "a machine answers", goes: talk(twiliotest.Behaviour{Machine: "machine_start"}), rings: 1, ends: answered, details: map[string]string{"answered_by": "machine_start"}},
	}
}

// TestNeverTwice has everything go wrong at the same time.
//
//nolint:paralleltest // it keeps the machine busy by itself
func TestNeverTwice(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes most of a minute")
	}
	i := newInspector(t)
	// A thousand streams at once would be a test of the machine with all their audio.
	r := newRigOver(t, twiliotest.Config{MediaEvery: time.Second / 2, Idle: 500}, func(c *twilio.Config) {
		c.Machines = twilio.Detect
		c.Timing.Request, c.Timing.Create, c.Timing.LookUp = 4*slower*time.Second, 12*slower*time.Second, 8*slower*time.Second
		c.Timing.HangUp, c.Timing.LookUpEvery = 20*slower*time.Second, time.Second/2
		c.Timing.Queue, c.Timing.Settle = 4*slower*time.Second, 2*slower*time.Second
		c.Agent.Inactivity, c.Agent.ConnectTimeout = 3*slower*time.Second, time.Minute
	}, i.wrap)
	all := scenarios()
	require.GreaterOrEqual(t, len(all), 40)
	results := make([][perScenario]dialled, len(all))
	var calls sync.WaitGroup
	pace := time.NewTicker(4 * slower * time.Millisecond) // or the requests time out in the queues of the machine
	defer pace.Stop()
	for _, n := range longestFirst(all) {
		s := all[n]
		for k := range perScenario {
			<-pace.C
			to := numberOf(n, k)
			r.twilio.Script(string(to), s.goes)
			call := r.call(callIDOf(n, k), to)
			call.RingTimeout, call.MaxDuration = 3*time.Second, time.Minute
			if s.ring > 0 {
				call.RingTimeout = s.ring
			}
			u := begin(t, r.Dial, call)
			if s.cancel > 0 {
				calls.Go(func() { u.cancelAfter(s) })
			}
			calls.Go(func() { results[n][k] = <-u.result })
		}
	}
	calls.Wait()
	awaitLate(t, r, all)
	require.Eventually(t, func() bool { return r.twilio.Live() == 0 }, 2*soon, 100*time.Millisecond, "%v", live{r.twilio, results})
	judge(t, r, all, results)
}

// longestFirst are the places of the scenarios, those in front that take longest, so that they do not begin when
// the others are over.
func longestFirst(all []scenario) []int {
	takes := func(s scenario) time.Duration {
		d := s.cancel
		for _, f := range slices.Concat(s.goes.Create, s.goes.Update) {
			d += f.Late + f.Linger + f.Trickle + f.After
		}
		for _, delivery := range s.goes.Callbacks {
			d += delivery.Late
		}
		for _, t := range []time.Duration{s.goes.Queue, s.goes.Ring, s.goes.Talk, s.goes.Listed} {
			if t == twiliotest.Forever {
				t = 3 * time.Second
			}
			d += t
		}
		return d
	}
	order := make([]int, len(all))
	for n := range all {
		order[n] = n
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(takes(all[b]), takes(all[a])) })
	return order
}

// cancelAfter cancels when the time has come, and the phone has rung if it is to.
func (u *underway) cancelAfter(s scenario) {
	timer := time.NewTimer(s.cancel)
	defer timer.Stop()
	<-timer.C
	for late := time.After(s.cancel + slow); s.rings == 1; {
		select {
		case p := <-u.told:
			if p.Stage < dialer.Ringing {
				continue
			}
		case <-late:
		}
		break
	}
	u.cancel(nil)
}

// awaitLate waits for the calls that turn up when nobody expects them any more.
func awaitLate(t *testing.T, r *rig, all []scenario) {
	t.Helper()
	late := 0
	for _, s := range all {
		if strings.HasPrefix(s.name, "turns up after") {
			late++
		}
	}
	placed := 0
	defer func() { require.Equal(t, late*perScenario, placed) }()
	require.Eventually(t, func() bool {
		placed = 0
		for _, e := range r.twilio.Books() {
			var n, k int
			_, _ = fmt.Sscanf(e.CallID, "call-%d-%d", &n, &k)
			if strings.HasPrefix(all[n].name, "turns up after") {
				placed++
			}
		}
		return placed == late*perScenario
	}, 4*slow, 100*time.Millisecond)
}

// live prints the calls that nobody hung up, at the moment it is printed.
type live struct {
	twilio  *twiliotest.Twilio
	results [][perScenario]dialled
}

func (l live) String() string {
	var ids []string
	for _, e := range l.twilio.Books() {
		if e.Status == "queued" || e.Status == "ringing" || e.Status == "in-progress" {
			var n, k int
			_, _ = fmt.Sscanf(e.CallID, "call-%d-%d", &n, &k)
			ids = append(ids, fmt.Sprint(e.CallID, " ", e.Status, ": ", l.results[n][k].end(), " ", l.results[n][k].err))
		}
	}
	return strings.Join(ids, ", ")
}

func judge(t *testing.T, r *rig, all []scenario, results [][perScenario]dialled) {
	t.Helper()
	placed, rang, status := map[string]int{}, map[string]int{}, map[string]string{}
	for _, e := range r.twilio.Books() {
		status[e.CallID] = e.Status
		placed[e.CallID]++
		if e.Rang {
			rang[e.CallID]++
		}
	}
	for n, s := range all {
		for k, got := range results[n][:] {
			id := callIDOf(n, k)
			require.LessOrEqual(t, placed[id], 1, "%s: placed", s.name)
			require.LessOrEqual(t, rang[id], 1, "%s: rang", s.name)
			if errors.Is(got.err, dialer.ErrNotPlaced) {
				require.Zero(t, rang[id], "%s: somebody's phone rang", s.name)
			}
			if !punctual {
				continue
			}
			require.Equal(t, s.ends, got.end(), "%s: %v, %q, %v, %v", s.name, got.err, got.outcome.Message, got.outcome.Details, got.reports)
			if s.rings >= 0 {
				require.Equal(t, s.rings, rang[id], "%s: rang", s.name)
			}
			if s.status != "" {
				require.Equal(t, s.status, status[id], "%s: at Twilio", s.name)
			}
			for name, value := range s.details {
				require.Equal(t, value, got.outcome.Details[name], "%s: %s", s.name, name)
			}
		}
	}
}

func numberOf(scenario, n int) dialer.Phone {
	return dialer.Phone(fmt.Sprintf("+1415%03d%04d", scenario, n))
}

func callIDOf(scenario, n int) string { return fmt.Sprintf("call-%d-%d", scenario, n) }

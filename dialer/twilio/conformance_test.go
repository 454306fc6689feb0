package twilio_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/dialertest"
	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

//nolint:paralleltest // the suite counts goroutines
func TestDialer(t *testing.T) {
	for _, stream := range []twilio.Stream{twilio.Proxy, twilio.Direct} {
		t.Run(string(stream), func(t *testing.T) {
			dialertest.Test(t, dialertest.Harness{
				New:     func(t *testing.T) dialertest.Bench { t.Helper(); return newBench(t, stream) },
				Resumer: true, Limiter: true, Shortest: 200 * time.Millisecond, Soon: 60 * time.Second, AtOnce: 200,
			})
		})
	}
}

func newBench(t *testing.T, stream twilio.Stream) dialertest.Bench {
	t.Helper()
	// Idle connections look like goroutines that a call left behind.
	r := newRigOver(t, twiliotest.Config{Idle: 4}, func(c *twilio.Config) {
		c.Stream = stream
		c.Timing.Request = 20 * time.Second // a thousand at once take their time on a busy machine
		c.Timing.HangUp = 20 * time.Second
		c.Timing.Queue = 20 * time.Second
		c.Timing.LookUp = 400 * time.Millisecond // nothing of what is looked for here is late
		c.Agent.ConnectTimeout, c.Agent.Inactivity, c.Agent.PingEvery = time.Minute, time.Minute, time.Minute
	})
	var numbers atomic.Int64
	return dialertest.Bench{
		Dialer: r.Dialer, Live: r.twilio.Live, Placed: r.twilio.Placed,
		Call: func(callee dialertest.Callee) dialer.Call {
			to := dialer.Phone(fmt.Sprintf("+1415%07d", numbers.Add(1)))
			r.twilio.Script(string(to), behaviours()[callee])
			call := r.call("", to)
			if stream == twilio.Direct {
				call.Agent.URL = call.Agent.URL[:len(call.Agent.URL)-len("?agent=a")]
			}
			return call
		},
	}
}

func behaviours() map[dialertest.Callee]twiliotest.Behaviour {
	const brief = 10 * time.Millisecond
	return map[dialertest.Callee]twiliotest.Behaviour{
		dialertest.Answers:      {Ring: brief, Talk: 5 * brief},
		dialertest.Busy:         {Ring: brief, End: "busy"},
		dialertest.RingsForever: {Ring: twiliotest.Forever},
		dialertest.TalksForever: {Ring: brief, Talk: twiliotest.Forever},
		dialertest.Refused:      {Always: &twiliotest.Fault{Status: http.StatusBadRequest, Code: 21211}},
		dialertest.Unavailable:  {Always: &twiliotest.Fault{Status: http.StatusTooManyRequests, Code: 20429, After: time.Minute}},
	}
}

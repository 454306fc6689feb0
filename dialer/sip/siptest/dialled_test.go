package siptest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

const (
	caller = dialer.Phone("+442071838750")
	callee = dialer.Phone("+14155550123")
)

func newDialer(tb testing.TB, config sip.Config) *sip.Dialer {
	tb.Helper()
	config.Listen = "127.0.0.1:0"
	d, err := sip.New(config)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, d.Close()) })
	return d
}

func newCall() dialer.Call {
	return dialer.Call{
		ID: "call-1", From: caller, To: callee, Attempt: 1, RingTimeout: time.Minute, MaxDuration: 5 * time.Minute,
	}
}

// dialled is a call under way.
type dialled struct {
	t       testing.TB
	cancel  context.CancelCauseFunc
	stages  chan dialer.Stage
	reached dialer.Stage
	done    chan struct{}
	outcome dialer.Outcome
	err     error
}

func begin(tb testing.TB, d dialer.Dialer, call dialer.Call) *dialled {
	tb.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	r := &dialled{t: tb, cancel: cancel, stages: make(chan dialer.Stage, 8), done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.outcome, r.err = d.Dial(ctx, call, func(p dialer.Progress) { r.stages <- p.Stage })
	}()
	tb.Cleanup(func() {
		cancel(nil)
		<-r.done
	})
	return r
}

// reaches waits for the stage.
func (r *dialled) reaches(stage dialer.Stage) {
	r.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for r.reached < stage {
		select {
		case r.reached = <-r.stages:
		case <-r.done:
			require.Failf(r.t, "the call is over", "before it was %v: %+v %v", stage, r.outcome, r.err)
		case <-timeout.C:
			require.Failf(r.t, "the call does not come further", "it is not %v", stage)
		}
	}
}

// over waits for the end.
func (r *dialled) over() {
	r.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-r.done:
	case <-timeout.C:
		require.Fail(r.t, "Dial does not return")
	}
}

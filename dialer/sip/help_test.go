package sip_test

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

// trunkTo is a trunk that leads to the peer, without the traffic that a test has not asked for.
func trunkTo(p *peer) sip.Trunk {
	return sip.Trunk{
		Name: "peer", Host: "127.0.0.1", Port: p.port, Transport: sip.Transport(p.transport),
		KeepAlive: -1, SessionInterval: -1, TLS: clientTLS(),
	}
}

func newDialer(t *testing.T, trunks ...sip.Trunk) *sip.Dialer {
	t.Helper()
	return newDialerOf(t, sip.Config{Trunks: trunks})
}

func newDialerOf(t *testing.T, config sip.Config) *sip.Dialer {
	t.Helper()
	config.Listen = "127.0.0.1:0"
	d, err := sip.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func callTo(to dialer.Phone) dialer.Call {
	return dialer.Call{
		ID: "call-1", From: caller, To: to, Attempt: 1, RingTimeout: time.Minute, MaxDuration: time.Minute,
	}
}

// dialled is a call under way.
type dialled struct {
	t       *testing.T
	cancel  context.CancelCauseFunc
	stages  chan dialer.Progress
	done    chan struct{}
	outcome dialer.Outcome
	err     error
	took    time.Duration
}

func begin(t *testing.T, d dialer.Dialer, call dialer.Call) *dialled {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	r := &dialled{t: t, cancel: cancel, stages: make(chan dialer.Progress, 8), done: make(chan struct{})}
	go func() {
		defer close(r.done)
		begun := time.Now()
		r.outcome, r.err = d.Dial(ctx, call, func(p dialer.Progress) { r.stages <- p })
		r.took = time.Since(begun)
	}()
	t.Cleanup(func() {
		cancel(nil)
		<-r.done
	})
	return r
}

// reaches waits for the stage.
func (r *dialled) reaches(stage dialer.Stage) *dialled {
	r.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case p := <-r.stages:
			if p.Stage >= stage {
				return r
			}
		case <-r.done:
			require.Failf(r.t, "the call is over", "before it was %v: %v %v", stage, r.outcome, r.err)
		case <-timeout.C:
			require.Failf(r.t, "the call does not come further", "it is not %v", stage)
		}
	}
}

func (r *dialled) over() *dialled {
	r.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-r.done:
	case <-timeout.C:
		require.Fail(r.t, "Dial does not return")
	}
	return r
}

// ends waits for the outcome and checks its reason.
func (r *dialled) ends(reason dialer.EndReason) dialer.Outcome {
	r.t.Helper()
	r.over()
	require.NoError(r.t, r.err)
	require.Equal(r.t, reason, r.outcome.Reason, "%+v", r.outcome)
	return r.outcome
}

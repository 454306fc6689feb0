package fake_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

const (
	from = dialer.Phone("+442071838750")
	ada  = dialer.Phone("+14155550123")
)

var errTest = errors.New("whatever the caller's reason is")

func newCarrier(t *testing.T, config fake.Config) *fake.Carrier {
	t.Helper()
	c, err := fake.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func callTo(to dialer.Phone) dialer.Call {
	return dialer.Call{
		ID: "call-" + string(to[5:]), Org: "org", Batch: "batch", Recipient: "recipient", Attempt: 1,
		From: from, To: to, RingTimeout: 30 * time.Second, MaxDuration: time.Hour,
	}
}

// dialled is what came of a call.
type dialled struct {
	outcome dialer.Outcome
	err     error
	stages  []dialer.Stage
	took    time.Duration
}

func dial(ctx context.Context, d dialer.Dialer, call dialer.Call) dialled {
	var r dialled
	begun := time.Now()
	r.outcome, r.err = d.Dial(ctx, call, func(p dialer.Progress) { r.stages = append(r.stages, p.Stage) })
	r.took = time.Since(begun)
	return r
}

// background begins a call and returns what comes of it later.
func background(ctx context.Context, d dialer.Dialer, call dialer.Call) <-chan dialled {
	result := make(chan dialled, 1)
	go func() { result <- dial(ctx, d, call) }()
	return result
}

func ignore(dialer.Progress) {}

// pass lets the time of a bubble pass.
func pass(d time.Duration) { <-time.NewTimer(d).C }

package dialertest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/dialer"
)

// trial is one rule being checked on one bench.
type trial struct {
	*testing.T
	Harness
	Bench

	mu    sync.Mutex
	calls []*watched // every call that was begun, to be hung up in the end
}

// long is a limit that no rule comes near.
const long = time.Hour

// call returns a complete call to such a callee, with limits that play no part.
func (tr *trial) call(c Callee) dialer.Call {
	call := tr.Call(c)
	call.ID = "dialertest-" + rand.Text()
	call.Org, call.Batch, call.Recipient = "dialertest", "dialertest-batch", "recipient-"+rand.Text()
	call.Attempt = 1
	call.RingTimeout, call.MaxDuration = long, long
	call.PlacedAt = time.Now()
	if call.Metadata == nil {
		call.Metadata = json.RawMessage(`{}`)
	}
	return call
}

// dial begins a call to such a callee.
func (tr *trial) dial(c Callee) *watched { return tr.dialCall(tr.call(c)) }

func (tr *trial) dialCall(call dialer.Call) *watched {
	ctx, cancel := context.WithCancelCause(context.Background())
	return tr.dialIn(ctx, cancel, call)
}

func (tr *trial) dialIn(ctx context.Context, cancel context.CancelCauseFunc, call dialer.Call) *watched {
	return tr.watch(ctx, cancel, call, tr.Dialer.Dial)
}

// resume follows a call that is known already, by what was learned of it.
func (tr *trial) resume(call dialer.Call) *watched {
	tr.Helper()
	resumer, ok := tr.Dialer.(dialer.Resumer)
	if !ok {
		tr.Fatalf("the dialer is no dialer.Resumer, though the harness says so")
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	return tr.watch(ctx, cancel, call, resumer.Resume)
}

// waitUntil polls for what no signal is to be had for.
func (tr *trial) waitUntil(what string, cond func() bool) {
	tr.Helper()
	const poll = time.Millisecond
	tick := time.NewTicker(poll)
	defer tick.Stop()
	deadline := time.NewTimer(tr.Soon)
	defer deadline.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			tr.Errorf("%s: not so after %v", what, tr.Soon)
			return
		}
	}
}

// noneLive checks the carrier, if it can tell. It may learn of a hang-up a little later
// than the caller.
func (tr *trial) noneLive() {
	tr.Helper()
	if tr.Live != nil {
		tr.waitUntil("no call is live at the carrier", func() bool { return tr.Live() == 0 })
	}
}

// errSuiteOver is why calls are cancelled that a rule left behind.
var errSuiteOver = errors.New("the rule has been checked")

// hangUpAll lets no rule leave a call or a goroutine behind.
func (tr *trial) hangUpAll() {
	tr.mu.Lock()
	calls := tr.calls
	tr.mu.Unlock()
	for _, w := range calls {
		w.cancel(errSuiteOver)
	}
	timeout := time.NewTimer(tr.Soon)
	defer timeout.Stop()
	for _, w := range calls {
		select {
		case <-w.done:
		case <-timeout.C:
			tr.Errorf("a call has not returned %v after its context was cancelled", tr.Soon)
			return
		}
	}
}

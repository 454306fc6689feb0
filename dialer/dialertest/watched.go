package dialertest

import (
	"context"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outdial/outdial/dialer"
)

// watched is a call under way, and everything that the dialer says of it.
type watched struct {
	tr     *trial
	call   dialer.Call
	cancel context.CancelCauseFunc
	begun  time.Time
	news   chan struct{} // has a token when something was reported
	done   chan struct{} // closed when Dial or Resume has returned

	// What follows may be read once done is closed.
	outcome  dialer.Outcome
	err      error
	took     time.Duration
	panicked any
	stack    []byte

	reporting atomic.Bool // a report is under way
	overlap   atomic.Bool // two reports came at once

	mu       sync.Mutex
	reports  []dialer.Progress
	late     []dialer.Progress // reported after the return
	returned bool
}

type placeFunc func(context.Context, dialer.Call, func(dialer.Progress)) (dialer.Outcome, error)

func (tr *trial) watch(
	ctx context.Context, cancel context.CancelCauseFunc, call dialer.Call, place placeFunc,
) *watched {
	w := &watched{
		tr: tr, call: call, cancel: cancel, begun: time.Now(),
		news: make(chan struct{}, 1), done: make(chan struct{}),
	}
	tr.mu.Lock()
	tr.calls = append(tr.calls, w)
	tr.mu.Unlock()
	go w.run(ctx, place)
	return w
}

func (w *watched) run(ctx context.Context, place placeFunc) {
	defer close(w.done)
	defer func() {
		if w.panicked = recover(); w.panicked != nil {
			w.stack = debug.Stack()
		}
	}()
	defer w.markReturned()
	w.outcome, w.err = place(ctx, w.call, w.hear)
	w.took = time.Since(w.begun)
}

func (w *watched) markReturned() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.returned = true
}

// hear is the call's report function.
func (w *watched) hear(p dialer.Progress) {
	if !w.reporting.CompareAndSwap(false, true) {
		w.overlap.Store(true)
	}
	defer w.reporting.Store(false)
	w.mu.Lock()
	if w.returned {
		w.late = append(w.late, p)
	} else {
		w.reports = append(w.reports, p)
	}
	w.mu.Unlock()
	runtime.Gosched() // lets a report come in that should not
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// wait waits until the call has come as far as the stage, or as far as the dialer tells.
func (w *watched) wait(stage dialer.Stage) *watched {
	w.tr.Helper()
	for slices.Contains(w.tr.Unreported, stage) {
		stage--
	}
	timeout := time.NewTimer(w.tr.Soon)
	defer timeout.Stop()
	for !w.reached(stage) {
		select {
		case <-w.news:
		case <-w.done:
			if !w.reached(stage) {
				w.tr.Fatalf("the call ended before it was %v: %s", stage, w.end())
			}
		case <-timeout.C:
			w.tr.Fatalf("the call is not %v after %v", stage, w.tr.Soon)
		}
	}
	return w
}

// reached also takes a later stage for the sign of an earlier one that got lost.
func (w *watched) reached(stage dialer.Stage) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return stage == 0 || slices.ContainsFunc(w.reports, func(p dialer.Progress) bool { return p.Stage >= stage })
}

// over waits for the return, and lets nobody go on who did not get one.
func (w *watched) over() *watched {
	w.tr.Helper()
	timeout := time.NewTimer(w.tr.Soon)
	defer timeout.Stop()
	select {
	case <-w.done:
	case <-timeout.C:
		w.tr.Fatalf("the call has not returned after %v", w.tr.Soon)
	}
	if w.panicked != nil {
		w.tr.Fatalf("the dialer panicked: %v\n%s", w.panicked, w.stack)
	}
	return w
}

// ends waits for the return and checks that it is an outcome with this reason.
func (w *watched) ends(reason dialer.EndReason) *watched {
	w.tr.Helper()
	if w.over().err != nil || w.outcome.Reason != reason {
		w.tr.Errorf("the call ended with %s: expected the reason %q", w.end(), reason)
	}
	return w
}

// hangUp cancels the call for the reason and checks that it ends soon, for this reason.
func (w *watched) hangUp(reason dialer.EndReason) {
	w.tr.Helper()
	w.cancel(dialer.HangUp(reason))
	w.ends(reason)
}

// end describes the end in a failure.
func (w *watched) end() string {
	switch {
	case w.panicked != nil:
		return "a panic"
	case w.err != nil:
		return "the error: " + w.err.Error()
	}
	return "the reason: " + string(w.outcome.Reason)
}

func (w *watched) heard() []dialer.Progress {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.reports)
}

func (w *watched) stages() []dialer.Stage {
	reports := w.heard()
	stages := make([]dialer.Stage, len(reports))
	for i, p := range reports {
		stages[i] = p.Stage
	}
	return stages
}

// known is the call as it would be resumed by another process: with the carrier's
// reference, if it became known.
func (w *watched) known() dialer.Call {
	call := w.call
	for _, p := range w.heard() {
		if p.Ref != "" {
			call.Ref = p.Ref
		}
	}
	select {
	case <-w.done:
		if w.outcome.Ref != "" {
			call.Ref = w.outcome.Ref
		}
	default:
	}
	return call
}

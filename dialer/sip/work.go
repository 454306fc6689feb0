package sip

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errClosed is the cause with which everything ends that is under way when the dialer is closed.
var errClosed = errors.New("the dialer is closed")

// work is what a dialer has to do: the calls, and what is left to do after them. It is
// safe for concurrent use.
type work struct {
	calls   context.Context //nolint:containedctx // ends the calls
	endAll  context.CancelCauseFunc
	after   context.Context //nolint:containedctx // ends what is left to do, some time later
	endRest context.CancelCauseFunc

	mu     sync.Mutex
	idle   sync.Cond // told when one of the two comes to 0
	closed bool
	placed int // calls under way
	others int // what is done in the background
}

func newWork() *work {
	w := &work{}
	w.idle.L = &w.mu
	w.calls, w.endAll = context.WithCancelCause(context.Background())
	w.after, w.endRest = context.WithCancelCause(context.Background())
	return w
}

// begin is called before each call, and what it returns after it. It returns nil when the dialer
// is closed.
func (w *work) begin() (done func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.placed++
	return func() { w.done(&w.placed) }
}

// background does what a call leaves to be done, and returns false when it is too late for
// that. The context ends some time after the dialer was closed.
func (w *work) background(f func(context.Context)) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.after.Err() != nil {
		return false
	}
	w.others++
	go func() {
		defer w.done(&w.others)
		f(w.after)
	}()
	return true
}

// onClose calls f when the calls are to end, unless stop is called first.
func (w *work) onClose(f func()) (stop func() bool) { return context.AfterFunc(w.calls, f) }

func (w *work) done(count *int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*count--
	w.idle.Broadcast()
}

func (w *work) wait(count *int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for *count > 0 {
		w.idle.Wait()
	}
}

// close hangs up, and lets the rest have so much time to end by itself. It returns false to all
// but the first who call it, who all wait.
func (w *work) close(patience time.Duration) bool {
	w.mu.Lock()
	first := !w.closed
	w.closed = true
	w.mu.Unlock()
	w.endAll(errClosed)
	w.wait(&w.placed)
	timer := time.AfterFunc(patience, w.finish)
	defer timer.Stop()
	w.wait(&w.others)
	w.finish()
	w.wait(&w.others) // what began in between
	return first
}

func (w *work) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.endRest(errClosed)
}

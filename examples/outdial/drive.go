package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/outdial/outdial/store"
)

// drainTimeout is how long calls in progress may take to end once no new ones are placed:
// longer than any call, because whoever stops the program can stop it twice.
const drainTimeout = 12 * time.Hour

const (
	pollOwner  = time.Second // how soon to see that another process has stopped dialling
	watchAgain = time.Second // how long to wait after a failed read
	watchTries = 10          // failed reads in a row, until they are taken for lasting
	barRefresh = 150 * time.Millisecond
)

// The reasons why no further call is placed.
var (
	errOver        = errors.New("the batch is over")
	errInterrupted = errors.New("interrupted")
)

// drive dials until the batch is over or somebody interrupts, and shows how it goes. It
// returns when no call of this process is in progress any more.
func (a *app) drive(ctx context.Context, s *session, b store.Batch) error {
	dialling, stop := context.WithCancelCause(ctx) // ends when no new call may be placed
	defer stop(nil)
	watching, quiet := context.WithCancel(ctx) // ends when there is nothing more to see
	caught, release := a.signals()
	defer release()
	v := a.newView(s, b)
	var g errgroup.Group
	g.Go(func() error { v.show(watching); return nil })
	g.Go(func() error { return v.watch(watching, stop) })
	g.Go(func() error { a.interrupts(watching, v, caught, stop); return nil })
	err := a.dial(dialling, s, v)
	if s.local != nil {
		v.settle(watching)
	}
	quiet()
	return first(err, g.Wait())
}

// dial runs the engine. Where another process dials from the database, that one also
// dials this batch, and this process takes over when it stops.
func (a *app) dial(ctx context.Context, s *session, v *view) error {
	if s.local == nil { // the server dials
		<-ctx.Done()
		return nil
	}
	engine := s.local.engine
	for told := false; ; told = true {
		err := engine.Run(ctx)
		switch {
		case err == nil, ctx.Err() != nil && errors.Is(err, context.Canceled):
			return nil // the latter where it was stopped before it had begun
		case !errors.Is(err, store.ErrOwned):
			return fmt.Errorf("dialling: %w", err)
		}
		if !told {
			v.say("Another process dials from this database, this batch included. Waiting for it.")
		}
		if !wait(ctx, pollOwner) {
			return nil
		}
		if engine, err = s.local.newEngine(); err != nil {
			return err
		}
	}
}

// interrupts stops the dialling at the first signal and the process at the second.
func (a *app) interrupts(ctx context.Context, v *view, caught <-chan os.Signal, stop context.CancelCauseFunc) {
	select {
	case <-ctx.Done():
		return
	case <-caught:
	}
	stop(errInterrupted)
	if n := v.stop(); v.session.local == nil {
		v.say("Batch %s goes on at the server. \"outdial pause %[1]s\" or \"outdial cancel %[1]s\" stops it.", v.id)
	} else {
		v.say("Stopping: no new calls. Those in progress may end: %d. Ctrl-C again stops at once.", n)
	}
	select {
	case <-ctx.Done():
	case <-caught:
		// Not by the view, which would write it at its next turn.
		a.say("\nStopped at once. The same command goes on with the recipients that are left.")
		a.exit(exitNow)
	}
}

// wait returns false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// view follows one batch and shows how it goes. It is safe for concurrent use.
type view struct {
	session *session
	id      string
	screen  screen
	refresh time.Duration
	now     func() time.Time
	asked   time.Time // when it was asked why nothing is being dialled; by show only

	mu      sync.Mutex
	tally   *tally
	waiting string // why nothing is being dialled, if nothing is
	stopped bool   // no new calls are placed, so how long the rest takes cannot be said
}

// screen is where progress is shown: a bar for people, lines for files.
type screen interface {
	draw(p progress)
	say(line string) // beside the progress
	close()
}

func (a *app) newView(s *session, b store.Batch) *view {
	v := &view{session: s, id: b.ID, now: a.now, tally: newTally(b, a.now()), refresh: a.pace}
	if a.tty && !a.cli.Verbose {
		v.screen, v.refresh = newBar(a.stderr, b.Counts.Scheduled()), barRefresh
	} else {
		v.screen = &lines{out: a.stderr}
	}
	return v
}

func (v *view) say(format string, args ...any) { v.screen.say(fmt.Sprintf(format, args...)) }

// watch feeds the tally and stops the dialling when the batch is over.
func (v *view) watch(ctx context.Context, stop context.CancelCauseFunc) error {
	var failure error
	for change, err := range v.session.Watch(ctx, v.id) {
		if err != nil && failure == nil && ctx.Err() == nil {
			v.say("It cannot be seen how the batch goes: %v. Trying again.", err)
		}
		if failure = err; err == nil && v.apply(change) {
			stop(errOver)
			return nil
		}
	}
	if ctx.Err() != nil {
		return nil // it was told to end, which is no failure
	}
	stop(failure)
	return fmt.Errorf("seeing how batch %s goes: %w", v.id, failure)
}

func (v *view) apply(c batch.Change) (over bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if c.Recipient != nil {
		v.tally.apply(*c.Recipient)
	}
	return c.Batch != nil && c.Batch.Counts.Over()
}

// show draws until ctx ends, and once more then.
func (v *view) show(ctx context.Context) {
	defer v.screen.close()
	for wait(ctx, v.refresh) {
		v.findOutWhy(ctx)
		v.screen.draw(v.progress())
	}
	v.screen.draw(v.progress())
}

func (v *view) progress() progress {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := v.tally.progress(v.now())
	p.waiting = v.waiting
	if v.stopped {
		p.left = 0
	}
	return p
}

// stop notes that no new calls are placed and returns how many have not ended.
func (v *view) stop() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stopped = true
	return v.tally.of(fsm.Dispatched) + v.tally.of(fsm.Started)
}

// settle reads where everybody stands once dialling has ended, so that the last picture is
// complete. The watcher may be a moment behind.
func (v *view) settle(ctx context.Context) {
	_, list, err := v.session.Whole(ctx, v.id, false)
	if err != nil {
		return // the report will say so
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range list {
		v.tally.apply(r)
	}
}

// findOutWhy asks why nothing happens though recipients are queued. While calls are in
// progress that is as it should be, unless the database cannot be written.
func (v *view) findOutWhy(ctx context.Context) {
	const seldom = time.Second // it is a question to the database
	if v.now().Sub(v.asked) < seldom {
		return
	}
	v.asked = v.now()
	why := ""
	if quiet, busy := v.quiet(); quiet {
		w, err := v.session.Waiting(ctx, v.id)
		if err == nil && w.Reason != "" && (!busy || w.Reason == batch.WaitStore) {
			why = waitingOf(w).text()
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.waiting = why
}

// quiet says that recipients are queued and nothing has changed for a while, and whether
// calls are in progress.
func (v *view) quiet() (quiet, busy bool) {
	const while = 2 * time.Second
	v.mu.Lock()
	defer v.mu.Unlock()
	busy = v.tally.of(fsm.Dispatched)+v.tally.of(fsm.Started) > 0
	return v.tally.of(fsm.Queued) > 0 && !v.stopped && v.now().Sub(v.tally.changed) > while, busy
}

package main

import (
	"context"
	"fmt"

	"github.com/outdial/outdial/store"
)

// named is a command's argument.
type named struct {
	Batch string `arg:"" help:"The batch: its id, the beginning of it, or last."`
}

type pauseCmd struct{ named }

// Run pauses a batch.
func (c *pauseCmd) Run(ctx context.Context, a *app) error {
	return a.change(ctx, c.Batch, store.Change{Action: store.ActionPause},
		func(b, _ store.Batch) string {
			return fmt.Sprintf("Batch %s is paused with %s to go. %s", b.ID, plural(b.Counts.Queued, "recipient"), inProgress(b))
		})
}

type resumeCmd struct{ named }

// Run lets a paused batch go on.
func (c *resumeCmd) Run(ctx context.Context, a *app) error {
	return a.change(ctx, c.Batch, store.Change{Action: store.ActionResume},
		func(b, _ store.Batch) string {
			return fmt.Sprintf("Batch %s goes on, with %s to go.", b.ID, plural(b.Counts.Queued, "recipient"))
		})
}

type cancelCmd struct{ named }

// Run cancels a batch.
func (c *cancelCmd) Run(ctx context.Context, a *app) error {
	return a.change(ctx, c.Batch, store.Change{Action: store.ActionCancel},
		func(b, before store.Batch) string {
			if before.Counts.Over() {
				return fmt.Sprintf("Batch %s was over already; nothing has changed.", b.ID)
			}
			return fmt.Sprintf("Batch %s is cancelled: %s will not be called. %s",
				b.ID, plural(b.Counts.Cancelled, "recipient"), inProgress(b))
		})
}

type retryCmd struct{ named }

// Run queues what failed again.
func (c *retryCmd) Run(ctx context.Context, a *app) error {
	return a.change(ctx, c.Batch, store.Change{Action: store.ActionRetry},
		func(b, before store.Batch) string {
			if b.RetryCount == before.RetryCount {
				return fmt.Sprintf("Batch %s has no recipient whose call failed; nothing has changed.", b.ID)
			}
			// What is queued by now says less: some may have been called since.
			return fmt.Sprintf("Queued again in batch %s: %s.", b.ID, plural(before.Counts.Failed, "recipient"))
		})
}

type targetCmd struct {
	named

	Calls int `arg:"" help:"The most calls in progress at once."`
}

// Run changes a batch's limit.
func (c *targetCmd) Run(ctx context.Context, a *app) error {
	return a.change(ctx, c.Batch, store.Change{Action: store.ActionSetTarget, Target: c.Calls},
		func(b, _ store.Batch) string {
			return fmt.Sprintf("Batch %s has at most %s in progress at once now.", b.ID, plural(b.Target, "call"))
		})
}

const whoDials = "outdial run with its file goes on with it"

func inProgress(b store.Batch) string {
	if n := b.Counts.InFlight(); n > 0 {
		return "Those in progress go on to their end: " + plural(n, "call") + "."
	}
	return "No call is in progress."
}

// change does one thing to one batch and says so.
func (a *app) change(
	ctx context.Context, name string, what store.Change, tell func(after, before store.Batch) string,
) error {
	return a.with(ctx, func(s *session) error {
		before, err := s.find(ctx, name)
		if err != nil {
			return err
		}
		after, err := s.Change(ctx, before.ID, what)
		if err != nil {
			return fmt.Errorf("batch %s: %w", before.ID, err)
		}
		note := tell(after, before)
		if a.cli.JSON {
			a.printJSON(document{Batch: batchOf(after), Note: note})
			return nil
		}
		a.print("%s\n", note)
		if s.local != nil && after.Counts.Queued > 0 && after.PausedAt.IsZero() {
			a.say("If it is not being dialled already, %s.", whoDials)
		}
		return nil
	})
}

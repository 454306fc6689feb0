package main

import (
	"context"
	"fmt"
)

type showCmd struct{ named }

// Run shows one batch.
func (c *showCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(s *session) error {
		b, err := s.find(ctx, c.Batch)
		if err != nil {
			return err
		}
		r, err := s.report(ctx, b.ID, false)
		if err != nil {
			return err
		}
		waiting, err := s.waiting(ctx, b.ID)
		if err != nil {
			return err
		}
		if a.cli.JSON {
			a.printJSON(document{Batch: batchOf(r.batch), Outcomes: &r.outcomes, Waiting: waiting})
			return nil
		}
		a.printReport(r, waiting)
		return nil
	})
}

// waiting says why the batch's next recipient has not been called yet; nil if none waits.
func (s *session) waiting(ctx context.Context, id string) (*waitingJSON, error) {
	w, err := s.engine.WhyBatch(ctx, s.org, id)
	if err != nil {
		return nil, fmt.Errorf("finding out why batch %s waits: %w", id, err)
	}
	return waitingOf(w), nil
}

func (a *app) printReport(r report, waiting *waitingJSON) {
	b := r.batch
	a.print("Batch %s %q: %s, %s.\n\n", b.ID, b.Name, plural(b.Counts.Scheduled(), "recipient"), standingOf(b))
	a.print("  agent %s, from number %s, region %s, at most %d calls at once\n", b.AgentID, b.NumberID, b.Region, b.Target)
	a.print("  created %s", b.CreatedAt.UTC().Format("2 January 2006 15:04:05 UTC"))
	if !b.AdmittedAt.IsZero() {
		a.print(", first call %s", b.AdmittedAt.UTC().Format("15:04:05"))
	}
	if b.RetryCount > 0 {
		a.print(", retried %s", plural(b.RetryCount, "time"))
	}
	a.print("\n\n")
	printOutcomes(a.stdout, r.outcomes)
	if waiting != nil {
		a.print("\nThe next recipient waits: %s.\n", waiting.text())
	}
}

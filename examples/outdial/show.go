package main

import "context"

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
		w, err := s.Waiting(ctx, b.ID)
		if err != nil {
			return err
		}
		waiting := waitingOf(w)
		if a.cli.JSON {
			a.printJSON(document{Batch: batchOf(r.batch), Outcomes: &r.outcomes, Refusals: r.refusals, Waiting: waiting})
			return nil
		}
		a.printReport(r, waiting)
		return nil
	})
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
	printRefusals(a.stdout, r.refusals)
	if waiting != nil {
		a.print("\nThe next recipient waits: %s.\n", waiting.text())
	}
}

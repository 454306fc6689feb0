package main

import (
	"context"
	"strings"
	"unicode"

	"github.com/outdial/outdial/store"
)

//nolint:tagalign // a tag cannot be broken over lines
type lsCmd struct {
	Limit int  `default:"20" help:"How many to list; 0: all."`
	Open  bool `help:"Only those that are not over yet."`
}

// Run lists the batches.
func (c *lsCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(s *session) error {
		list := []batchJSON{}
		var batches []store.Batch
		for b, err := range s.Batches(ctx, c.Open) {
			if err != nil {
				return err
			}
			if c.Limit > 0 && len(list) == c.Limit {
				break
			}
			list, batches = append(list, *batchOf(b)), append(batches, b)
		}
		if a.cli.JSON {
			a.printJSON(document{Batches: &list})
			return nil
		}
		a.printBatches(batches)
		return nil
	})
}

// printable keeps a name from moving the cursor or breaking the table: whoever may create a batch
// chooses it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

func (a *app) printBatches(batches []store.Batch) {
	if len(batches) == 0 {
		a.say("There is no batch.")
		return
	}
	const format = "%-26s  %-16s  %9s  %9s  %9s  %-20s  %s\n"
	a.print(format, "BATCH", "CREATED (UTC)", "COMPLETED", "FAILED", "TO GO", "STANDING", "NAME")
	for _, b := range batches {
		n := b.Counts
		a.print(format, b.ID, b.CreatedAt.UTC().Format("2006-01-02 15:04"), thousands(n.Completed), thousands(n.Failed),
			thousands(n.Queued+n.InFlight()), standingOf(b), printable(b.Name))
	}
}

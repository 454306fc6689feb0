package main

import "context"

//nolint:lll,tagalign // a tag cannot be broken over lines
type exportCmd struct {
	named

	Out   string `default:"-" help:"The file to write; - is the standard output." placeholder:"FILE"`
	Plain bool   `help:"Leave the cells as they are, for programs. Without it, no cell can be taken for a formula by a spreadsheet."`
}

// Run writes the results of a batch.
func (c *exportCmd) Run(ctx context.Context, a *app) error {
	if c.Out != standardStream && a.cli.JSON {
		return usagef("--out writes CSV: leave out --json, or send the standard output to a file")
	}
	if err := checkOut(c.Out, ""); err != nil {
		return err
	}
	return a.with(ctx, func(s *session) error {
		b, err := s.find(ctx, c.Batch)
		if err != nil {
			return err
		}
		r, err := s.report(ctx, b.ID, true)
		if err != nil {
			return err
		}
		if a.cli.JSON {
			a.printJSON(document{Batch: batchOf(r.batch), Recipients: recipientsOf(r.results, r.tries)})
			return nil
		}
		return a.writeResults(c.Out, r.results, style(c.Plain))
	})
}

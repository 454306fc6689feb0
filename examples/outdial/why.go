package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/batch/csvfile"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

type whyCmd struct {
	Recipient string `arg:"" help:"The recipient's id, from the results: acr_…"`
}

// Run says why a recipient waits.
func (c *whyCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(s *session) error {
		if _, _, err := store.ParseRecipientID(c.Recipient); err != nil {
			return usagef("%q is no recipient's id; those begin with acr_", c.Recipient)
		}
		r, w, err := s.Recipient(ctx, c.Recipient)
		switch {
		case errors.Is(err, batch.ErrNotFound):
			return usagef("there is no recipient %s", c.Recipient)
		case err != nil:
			return err
		}
		waiting := waitingOf(w)
		switch {
		case waiting == nil:
			a.tellNotWaiting(recipientsOf([]csvfile.Result{resultOf(r, store.Call{})}, nil)[0])
		case a.cli.JSON:
			a.printJSON(document{Waiting: waiting})
		default:
			a.print("The recipient waits: %s.\n", waiting.text())
			if w.Position > 0 {
				a.print("Before it, the batch calls %s.\n", plural(w.Position, "other"))
			}
		}
		return nil
	})
}

func (a *app) tellNotWaiting(r recipientJSON) {
	if a.cli.JSON {
		r.Metadata = nil
		r.To = dialer.Phone(r.To).String()
		a.printJSON(document{Recipients: []recipientJSON{r}})
		return
	}
	parts := []string{"The recipient does not wait, it is " + r.Status, explainReason(r.EndReason), r.Error}
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
	a.print("%s.\n", strings.Join(parts, ": "))
}

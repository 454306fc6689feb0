package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/batch/csvfile"
	"github.com/outdial/outdial/store"
)

type whyCmd struct {
	Recipient string `arg:"" help:"The recipient's id, from the results: acr_…"`
}

// Run says why a recipient waits.
func (c *whyCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(s *session) error {
		r, err := s.recipient(ctx, c.Recipient)
		if err != nil {
			return err
		}
		w, err := s.engine.Why(ctx, s.org, c.Recipient)
		if err != nil {
			return fmt.Errorf("finding out why recipient %s waits: %w", c.Recipient, err)
		}
		waiting := waitingOf(w)
		switch {
		case waiting == nil:
			a.tellNotWaiting(r)
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

func (s *session) recipient(ctx context.Context, id string) (recipientJSON, error) {
	batchID, index, err := store.ParseRecipientID(id)
	if err != nil {
		return recipientJSON{}, usagef("%q is no recipient's id; those begin with acr_", id)
	}
	list, err := s.engine.Recipients(ctx, store.RecipientQuery{Org: s.org, BatchID: batchID, From: index, Limit: 1})
	if err != nil {
		return recipientJSON{}, fmt.Errorf("reading recipient %s: %w", id, err)
	}
	if len(list) == 0 || list[0].Index != index {
		return recipientJSON{}, usagef("there is no recipient %s", id)
	}
	return recipientsOf([]csvfile.Result{resultOf(list[0], store.Call{})})[0], nil
}

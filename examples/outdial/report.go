package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/outdial/outdial/batch/csvfile"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// report is what became of a batch so far.
type report struct {
	batch    store.Batch
	outcomes []outcomeJSON
	refusals []refusalJSON
	results  []csvfile.Result
	tries    map[string][]store.Try // by the call's id
}

// report reads what is known of a batch; the metadata, which can be large, only on request.
func (s *session) report(ctx context.Context, id string, metadata bool) (report, error) {
	b, recipients, err := s.Whole(ctx, id, metadata)
	if err != nil {
		return report{}, err
	}
	list, err := s.Calls(ctx, id)
	if err != nil {
		return report{}, err
	}
	calls := make(map[string]store.Call, len(list))
	for _, c := range list {
		calls[c.ID] = c
	}
	r := report{
		batch: b, outcomes: summarise(recipients, calls), refusals: refusalsOf(list), tries: map[string][]store.Try{},
	}
	for _, rec := range recipients {
		r.results = append(r.results, resultOf(rec, calls[rec.CallID]))
		if tries := calls[rec.CallID].Tries; tries != nil {
			r.tries[rec.CallID] = tries
		}
	}
	return r, nil
}

func resultOf(r store.Recipient, c store.Call) csvfile.Result {
	message := r.Error
	if r.EndReason == dialer.Error {
		message = c.Error
	}
	return csvfile.Result{
		To: r.To, Status: r.Status.String(), EndReason: string(r.EndReason), Error: message,
		Attempts: r.Attempts, CallID: r.CallID, RecipientID: r.ID(),
		Dispatched: c.DispatchedAt, Rang: c.RangAt, Started: c.StartedAt, Ended: c.EndedAt,
		Carrier: c.Carrier, Metadata: r.Metadata,
	}
}

// conclude prints the table, writes the results and decides how the program ends.
func (c *runCmd) conclude(ctx context.Context, a *app, s *session, b store.Batch, started time.Time) error {
	r, err := s.report(ctx, b.ID, c.Out != "")
	if err != nil {
		return err
	}
	if c.Out != "" {
		err = a.writeResults(c.Out, r.results, style(c.Plain))
	}
	if err != nil && a.cli.JSON {
		return err // it is the one document
	}
	if a.cli.JSON {
		a.printJSON(document{Batch: batchOf(r.batch), Outcomes: &r.outcomes, Refusals: r.refusals})
	} else {
		a.tellOutcome(r, a.now().Sub(started), c.Out)
		a.tellRest(s, r.batch)
	}
	return first(err, verdict(r.batch))
}

func (a *app) tellOutcome(r report, took time.Duration, out string) {
	w := a.stdout
	if out == standardStream {
		w = a.stderr // the results have the standard output
	}
	b := r.batch
	fmt.Fprintf(w, "\nBatch %s %q: %s, %s.\n\n",
		b.ID, b.Name, plural(b.Counts.Scheduled(), "recipient"), standingOf(b))
	printOutcomes(w, r.outcomes)
	printRefusals(w, r.refusals)
	fmt.Fprintln(w)
	if took > time.Second {
		a.say("It took %v.", roughly(took))
	}
}

// tellRest says what happens to those who are left.
func (a *app) tellRest(s *session, b store.Batch) {
	switch n := b.Counts.Queued; {
	case n == 0:
	case s.local == nil:
		a.say("%s left. The server goes on with them; the same command shows how.", plural(n, "recipient"))
	default:
		a.say("%s left. The same command goes on with them.", plural(n, "recipient"))
	}
}

// standingOf is the status of a batch in words.
func standingOf(b store.Batch) string {
	switch {
	case !b.CancelledAt.IsZero() && b.Counts.Cancelled > 0:
		return "cancelled"
	case !b.Counts.Over() && !b.PausedAt.IsZero():
		return "paused"
	case b.Status() == fsm.BatchFailed:
		return "not one call could be placed"
	case b.Counts.Over():
		return "all done"
	case b.Status() == fsm.BatchPending:
		return "not begun"
	}
	return fmt.Sprintf("%d done so far", done(b))
}

func verdict(b store.Batch) error {
	switch {
	case b.Counts.Cancelled > 0:
		return &exitError{code: exitCancelled}
	case !b.Counts.Over():
		return &exitError{code: exitInterrupted}
	case b.Status() == fsm.BatchFailed:
		return &exitError{code: exitFailed}
	}
	return nil
}

func style(plain bool) csvfile.Style {
	if plain {
		return csvfile.ForPrograms
	}
	return csvfile.ForSpreadsheets
}

// checkOut finds out before anybody is called that the results could not be written.
func checkOut(path, input string) error {
	if path == "" || path == standardStream {
		return nil
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return usagef("--out %s: there is no directory %s", path, filepath.Dir(path))
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return usagef("--out %s: this is a directory", path)
	}
	out, errOut := os.Stat(path)
	in, errIn := os.Stat(input)
	if errOut == nil && errIn == nil && os.SameFile(out, in) {
		return usagef("--out %s: this is the file that is read; results in its place would lose it", path)
	}
	return nil
}

// writeResults replaces the file at path as a whole, so that a reader never sees half of it.
func (a *app) writeResults(path string, results []csvfile.Result, style csvfile.Style) (err error) {
	if path == standardStream {
		return csvfile.WriteResults(a.stdout, results, style)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".outdial-*.csv")
	if err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(csvfile.WriteResults(io.Writer(f), results, style), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	a.say("What became of each recipient is in %s.", path)
	return nil
}

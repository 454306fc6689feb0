package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/outdial/outdial/store"
)

//nolint:lll,tagalign // a tag cannot be broken over lines
type runCmd struct {
	File string `arg:"" help:"The CSV file; - is the standard input. Its column to_number has the numbers, the others become metadata."`

	Name        string        `group:"The batch:" help:"What to call the batch (default: the file's name)." placeholder:"TEXT"`
	Agent       string        `group:"The batch:" help:"The agent who talks (default: the only one)." placeholder:"ID"`
	From        string        `group:"The batch:" help:"The number to call from, by its id (default: the only one)." placeholder:"ID" aliases:"number"`
	Target      int           `group:"The batch:" help:"The most calls in progress at once (default: half the organisation's limit)." placeholder:"N"`
	Weight      int           `group:"The batch:" help:"The share of the organisation's capacity beside its other batches (default: 1)." placeholder:"N"`
	RingTimeout time.Duration `group:"The batch:" help:"How long a phone may ring: 5s to 80s (default: 60s)." placeholder:"TIME"`
	MaxDuration time.Duration `group:"The batch:" help:"How long a call may last: 1m to 8h (default: 8h)." placeholder:"TIME"`
	ScheduledAt time.Time     `group:"The batch:" help:"When to begin, such as 2027-06-15T16:00:00+02:00 (default: at once)." placeholder:"WHEN"`
	Region      string        `group:"The batch:" help:"Where the batch is dialled: US, EU or APAC (default: the number's)." placeholder:"NAME"`

	Plus    bool `group:"The file:" help:"Add the + to numbers that lack it. Only for files in which every number has its country code: 4155550123 would ring +41 55 555 01 23, in Switzerland."`
	SkipBad bool `group:"The file:" help:"Leave rows with a problem out, instead of refusing the file."`
	Dedupe  bool `group:"The file:" help:"Call each number once, by its first row."`

	Out        string `group:"Doing it:" help:"Write what became of each recipient to this file as CSV; - is the standard output." placeholder:"FILE"`
	Plain      bool   `group:"Doing it:" help:"Leave the cells of --out as they are, for programs. Without it, no cell can be taken for a formula."`
	DryRun     bool   `group:"Doing it:" help:"Check everything and say what would happen. Nothing is written."`
	Again      bool   `group:"Doing it:" help:"Call everybody again if a batch of these recipients is over already."`
	Listen     string `group:"Doing it:" help:"Where carriers that call back, as Twilio does, reach this process: at /carriers/NAME/ there." placeholder:"ADDRESS"`
	WithOthers bool   `group:"Doing it:" help:"Go on with the other open batches of the database as well."`
}

// Run dials the file, or goes on with it.
func (c *runCmd) Run(ctx context.Context, a *app) error {
	if c.Out == "-" && a.cli.JSON {
		return usagef("--out - and --json would both write to the standard output: leave one of them out")
	}
	if err := checkOut(c.Out, c.File); err != nil {
		return err
	}
	if a.cli.Server != "" {
		return c.runAtServer(ctx, a)
	}
	d, err := a.database()
	if err != nil {
		return err
	}
	conf, err := a.loadConfig()
	if err != nil {
		return err
	}
	p, err := c.plan(ctx, a, conf)
	if err == nil {
		err = c.checkListen(conf, p)
	}
	if err != nil || c.DryRun {
		if err == nil {
			err = a.tellPlan(ctx, conf, p)
		}
		return first(err, conf.Close())
	}
	l, err := c.listen(ctx, a, conf)
	if err != nil {
		return first(err, conf.Close())
	}
	s, err := a.open(ctx, d, conf, p.org)
	if err != nil {
		return first(err, l.stop(ctx))
	}
	s.local.store.reachedAt(l.nodeURL())
	err = c.dial(ctx, a, s, p)
	return first(err, errors.Join(l.stop(ctx), s.Close()))
}

func (c *runCmd) dial(ctx context.Context, a *app, s *session, p plan) error {
	if !c.WithOthers && s.local != nil {
		if err := s.local.refuseOthers(ctx, p, a.now()); err != nil {
			return err
		}
	}
	a.tellFile(p)
	b, origin, err := s.findOrCreate(ctx, p, c.Again)
	if err != nil {
		return err
	}
	if b, err = c.greet(ctx, a, s, b, origin); err != nil {
		return err
	}
	started := a.now()
	var failure error
	if origin != isOver {
		failure = a.drive(ctx, s, b)
	}
	if failure != nil && a.cli.JSON {
		return failure // it is the one document
	}
	return first(failure, c.conclude(context.WithoutCancel(ctx), a, s, b, started))
}

// greet says what is about to happen.
func (c *runCmd) greet(ctx context.Context, a *app, s *session, b store.Batch, o origin) (store.Batch, error) {
	n := b.Counts.Scheduled()
	switch o {
	case isNew:
		stop := "Ctrl-C stops it."
		if s.local == nil {
			stop = "The server does it, and goes on after Ctrl-C."
		}
		a.say("Dialling %s in batch %s, at most %d at once%s. %s",
			plural(n, "recipient"), b.ID, b.Target, beginning(b), stop)
	case goesOn:
		a.say("Going on with batch %s (%d of %d done).", b.ID, done(b), n)
		return c.adjust(ctx, a, s, b)
	case isOver:
		a.say("Batch %s has called these recipients already: it was over on %s. --again calls everybody once more.",
			b.ID, b.UpdatedAt.UTC().Format("2 January 2006 at 15:04 UTC"))
	}
	return b, nil
}

func beginning(b store.Batch) string {
	if b.ScheduledAt.IsZero() {
		return ""
	}
	return b.ScheduledAt.UTC().Format(", from 15:04 UTC on 2 January 2006 on")
}

func done(b store.Batch) int { return b.Counts.Finished() + b.Counts.Cancelled }

// adjust applies the one option that can change while a batch is dialled, and says which
// others come too late.
func (c *runCmd) adjust(ctx context.Context, a *app, s *session, b store.Batch) (store.Batch, error) {
	late := c.RingTimeout != 0 && c.RingTimeout != b.RingTimeout || c.MaxDuration != 0 && c.MaxDuration != b.MaxDuration
	if late {
		a.say("It keeps the ring timeout of %v and the longest call of %v that it was created with.",
			b.RingTimeout, b.MaxDuration)
	}
	if !b.PausedAt.IsZero() {
		a.say("It is paused: \"outdial resume %s\" lets it go on.", b.ID)
	}
	if c.Target == 0 || c.Target == b.Target {
		return b, nil
	}
	changed, err := s.Change(ctx, b.ID, store.Change{Action: store.ActionSetTarget, Target: c.Target})
	if err != nil {
		return b, fmt.Errorf("changing the target of batch %s: %w", b.ID, err)
	}
	a.say("It now has at most %d calls in progress at once.", changed.Target)
	return changed, nil
}

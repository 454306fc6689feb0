package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/batch/config"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// planJSON is what --dry-run tells.
type planJSON struct {
	Name        string    `json:"name"`
	Org         string    `json:"organisation"`
	Agent       string    `json:"agent_id"`
	Number      string    `json:"from_number_id"`
	From        string    `json:"from_number"`
	Carriers    []string  `json:"carriers"`
	Region      string    `json:"region"`
	Target      int       `json:"target_concurrency_limit"`
	ScheduledAt time.Time `json:"scheduled_at,omitzero"`
	LeastTime   float64   `json:"least_seconds,omitempty"` // as far as the carrier's pace tells
}

// rehearse creates the batch in a store that is forgotten, so that everything is checked that
// run would check, by the same code.
func rehearse(ctx context.Context, conf *config.Config, p plan) (store.Batch, error) {
	engine, err := batch.New(batch.Config{Store: memory.New(), Directory: conf})
	if err != nil {
		return store.Batch{}, fmt.Errorf("starting the engine: %w", err)
	}
	b, err := engine.Create(ctx, p.org, p.request)
	if err != nil {
		return b, fmt.Errorf("creating the batch: %w", err)
	}
	return b, nil
}

// tellPlan says what run would do.
func (a *app) tellPlan(ctx context.Context, conf *config.Config, p plan) error {
	b, err := rehearse(ctx, conf, p)
	if err != nil {
		return err
	}
	d := planJSON{
		Name: b.Name, Org: b.Org, Agent: b.AgentID, Number: b.NumberID, Region: b.Region, Target: b.Target,
		From: p.number.E164.String(), Carriers: p.number.Carriers, ScheduledAt: b.ScheduledAt.UTC(),
		LeastTime: leastTime(conf, p).Seconds(),
	}
	if a.cli.JSON {
		a.printJSON(document{Plan: &d, File: fileOf(p)})
		return nil
	}
	a.tellFile(p)
	a.printPlan(d, p)
	return nil
}

func fileOf(p plan) *fileJSON {
	return &fileJSON{
		Recipients: len(p.file.Recipients), Duplicates: p.file.Duplicates, Deduped: p.deduped,
		Skipped: problemsOf(p.file.Skipped),
	}
}

func (a *app) printPlan(d planJSON, p plan) {
	a.print("This would dial %s. Nothing was written and nobody was called.\n\n",
		plural(len(p.file.Recipients), "recipient"))
	line := func(label, format string, args ...any) { a.print("  %-14s%s\n", label, fmt.Sprintf(format, args...)) }
	line("batch", "%s", d.Name)
	line("organisation", "%s", d.Org)
	line("agent", "%s", d.Agent)
	line("from", "%s (%s) over %s", d.Number, d.From, strings.Join(d.Carriers, ", then "))
	line("region", "%s", d.Region)
	line("at once", "%d calls at most", d.Target)
	if len(p.file.Columns) > 0 {
		line("metadata", "%s", strings.Join(p.file.Columns, ", "))
	}
	if !d.ScheduledAt.IsZero() {
		line("begins", "%s", d.ScheduledAt.Format(time.RFC3339))
	}
	switch least := leastTimeOf(d); {
	case least > 0:
		line("takes", "%v at least, which is the carrier's pace; how long the calls last comes on top", least)
	default:
		line("takes", "as long as the calls last: the carrier names no pace")
	}
}

func leastTimeOf(d planJSON) time.Duration {
	return time.Duration(d.LeastTime * float64(time.Second)).Round(time.Second)
}

// leastTime is how long the number's first carrier needs to begin so many calls; 0 where it
// does not say how many it begins in a second.
func leastTime(conf *config.Config, p plan) time.Duration {
	if len(p.number.Carriers) == 0 {
		return 0
	}
	limiter, ok := conf.Dialers()[p.number.Carriers[0]].(dialer.Limiter)
	if !ok || limiter.Limits().CPS == 0 {
		return 0
	}
	return time.Duration(float64(len(p.file.Recipients)) / limiter.Limits().CPS * float64(time.Second))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/batch/config"
	"github.com/outdial/outdial/batch/csvfile"
)

const standardStream = "-"

// plan is what run is going to do.
type plan struct {
	org     string
	file    csvfile.File
	deduped bool
	request batch.Request // without its key
	number  batch.Number
}

// plan reads the file and finds out the rest. It changes nothing.
func (c *runCmd) plan(ctx context.Context, a *app, conf *config.Config) (plan, error) {
	file, err := c.read(a)
	if err != nil {
		return plan{}, err
	}
	p := plan{file: file, deduped: c.Dedupe}
	var agent, from string
	if p.org, err = a.organisation(conf); err != nil {
		return plan{}, err
	}
	if agent, err = choose("agent", "--agent", c.Agent, conf.Agents(p.org)); err != nil {
		return plan{}, err
	}
	if from, err = choose("number", "--from", c.From, conf.Numbers(p.org)); err != nil {
		return plan{}, err
	}
	p.request = c.request(p, agent, from)
	p.number, err = conf.Number(ctx, p.org, from)
	if err != nil {
		return plan{}, fmt.Errorf("looking the number up: %w", err)
	}
	return p, nil
}

func (c *runCmd) request(p plan, agent, from string) batch.Request {
	r := batch.Request{
		Name: c.name(), AgentID: agent, NumberID: from,
		Recipients: make([]batch.RecipientRequest, len(p.file.Recipients)),
		Target:     c.Target, Weight: c.Weight, Region: c.Region,
		RingTimeout: c.RingTimeout, MaxDuration: c.MaxDuration, ScheduledAt: c.ScheduledAt,
	}
	for i, rec := range p.file.Recipients {
		r.Recipients[i] = batch.RecipientRequest{To: string(rec.To), Metadata: rec.Metadata}
	}
	return r
}

func (c *runCmd) name() string {
	if c.Name != "" {
		return c.Name
	}
	if c.File == standardStream {
		return "standard input"
	}
	base := filepath.Base(c.File)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

func (c *runCmd) read(a *app) (csvfile.File, error) {
	in := io.NopCloser(a.stdin)
	if c.File != standardStream {
		f, err := os.Open(c.File)
		if err != nil {
			return csvfile.File{}, usagef("the file cannot be read: %w", err)
		}
		in = f
	}
	defer in.Close()
	file, err := csvfile.Read(in, csvfile.Options{AddPlus: c.Plus, SkipBad: c.SkipBad, Dedupe: c.Dedupe})
	var invalid *csvfile.InvalidError
	switch {
	case errors.As(err, &invalid):
		return file, usage(&fileError{name: c.File, problems: invalid.Problems, plus: c.Plus})
	case err != nil:
		return file, usagef("the file cannot be read: %w", err)
	}
	return file, nil
}

// tellFile says what was noticed about a file that can be dialled.
func (a *app) tellFile(p plan) {
	if n := len(p.file.Skipped); n > 0 {
		a.say("Left out, because of a problem in each: %s.", plural(n, "row"))
		a.list(p.file.Skipped)
	}
	switch n := p.file.Duplicates; {
	case n > 0 && p.deduped:
		a.say("Left out, because their number stands in an earlier row: %s.", plural(n, "row"))
	case n > 0:
		a.say("Rows that repeat a number of an earlier row: %s. They are called all the same; "+
			"--dedupe calls each number once.", thousands(n))
	}
}

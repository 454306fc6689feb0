package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/batch/config"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/guard"
)

//nolint:lll,tagalign // a tag cannot be broken over lines
type checkCmd struct {
	File    string        `arg:"" optional:"" name:"config" help:"The configuration (default: that of --config, or else the built-in one)." type:"path"`
	Probe   bool          `help:"Ask every carrier whether it would take calls. Nobody's phone rings."`
	Timeout time.Duration `default:"10s" help:"How long a carrier may take to answer (default: 10s)." placeholder:"TIME"`
}

// checkJSON is what a configuration has.
type checkJSON struct {
	Config        string             `json:"configuration,omitempty"` // left out: the built-in one
	Organisations []organisationJSON `json:"organisations"`
	Agents        []agentJSON        `json:"agents"`
	Numbers       []numberJSON       `json:"numbers"`
	Carriers      []carrierJSON      `json:"carriers"`
}

type organisationJSON struct {
	ID       string `json:"id"`
	Limit    int    `json:"concurrency_limit"`
	Region   string `json:"region,omitempty"`
	Exceeded bool   `json:"usage_exceeded,omitempty"`
	Keys     int    `json:"api_keys"`
}

type agentJSON struct {
	ID           string `json:"id"`
	Organisation string `json:"organisation"`
	HasURL       bool   `json:"has_url"` // the URL may have a secret
}

type numberJSON struct {
	ID           string   `json:"id"`
	Organisation string   `json:"organisation"`
	E164         string   `json:"e164"` // its middle is hidden
	Carriers     []string `json:"carriers,omitempty"`
	Weights      []int    `json:"weights,omitempty"`
	InboundOnly  bool     `json:"inbound_only,omitempty"`
	Region       string   `json:"region,omitempty"`
	Channels     int      `json:"channels_per_call"`
}

type carrierJSON struct {
	Name     string     `json:"name"`
	Kind     string     `json:"kind"`
	Channels int        `json:"channels,omitempty"`
	CPS      float64    `json:"cps,omitempty"`
	Burst    int        `json:"burst,omitempty"`
	Path     string     `json:"callback_path,omitempty"` // where it calls back
	Guard    *guardJSON `json:"guard,omitempty"`
	Probe    *probeJSON `json:"probe,omitempty"`
}

type guardJSON struct {
	Allow  []string `json:"allow"`
	Block  int      `json:"block_digits"`
	Hourly int      `json:"hourly,omitempty"` // left out: no limit
}

// probeJSON is what came of asking a carrier.
type probeJSON struct {
	Result string `json:"result"` // ok, failed, or unsupported where the carrier kind has no way to ask
	Error  string `json:"error,omitempty"`
}

// Run checks a configuration as a whole and says what it has.
func (c *checkCmd) Run(ctx context.Context, a *app) error {
	if c.File != "" && a.cli.Config != "" && c.File != a.cli.Config {
		return usagef("two configurations are named, %s and %s: leave one of them out", c.File, a.cli.Config)
	}
	if c.Timeout <= 0 {
		return usagef("--timeout: expected more than 0s")
	}
	if c.File != "" {
		a.cli.Config = c.File
	}
	conf, err := a.loadConfig()
	if err != nil {
		return err
	}
	found, err := describe(ctx, conf)
	if err != nil {
		return first(err, conf.Close())
	}
	found.Config = a.cli.Config
	failed := 0
	if c.Probe {
		failed = c.probe(ctx, conf, found.Carriers)
	}
	if a.cli.JSON {
		a.printJSON(document{Check: &found})
	} else {
		a.printCheck(found)
	}
	if err := conf.Close(); err != nil || failed == 0 {
		return err
	}
	a.say("Carriers that would take no calls: %d.", failed)
	return &exitError{code: exitFailed}
}

// probe asks all carriers at once, and returns how many would take no calls.
func (c *checkCmd) probe(ctx context.Context, conf *config.Config, carriers []carrierJSON) (failed int) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	dialers := conf.Dialers()
	var all sync.WaitGroup
	for i := range carriers {
		all.Go(func() { carriers[i].Probe = c.ask(ctx, dialers[carriers[i].Name]) })
	}
	all.Wait()
	for _, carrier := range carriers {
		if carrier.Probe.Result == probeFailed {
			failed++
		}
	}
	return failed
}

const (
	probeOK          = "ok"
	probeFailed      = "failed"
	probeUnsupported = "unsupported"
)

// ask does not wait longer than ctx allows, even for a carrier that does not heed it.
func (c *checkCmd) ask(ctx context.Context, d dialer.Dialer) *probeJSON {
	prober, ok := dialer.As[dialer.Prober](d)
	if !ok {
		return &probeJSON{Result: probeUnsupported}
	}
	answer := make(chan error, 1)
	go func() { answer <- prober.Probe(ctx) }()
	var err error
	select {
	case err = <-answer:
	case <-ctx.Done():
		err = ctx.Err()
	}
	switch {
	case err == nil:
		return &probeJSON{Result: probeOK}
	case errors.Is(err, guard.ErrCannotProbe):
		return &probeJSON{Result: probeUnsupported}
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("no answer within %v", c.Timeout)
	}
	return &probeJSON{Result: probeFailed, Error: err.Error()}
}

// describe lists what a configuration has, without secrets.
func describe(ctx context.Context, conf *config.Config) (checkJSON, error) {
	found := checkJSON{
		Organisations: []organisationJSON{}, Agents: []agentJSON{}, Numbers: []numberJSON{}, Carriers: carriersOf(conf),
	}
	keys := map[string]int{}
	for _, org := range conf.APIKeys() {
		keys[org]++
	}
	for _, org := range conf.Organisations() {
		o, err := conf.Organisation(ctx, org)
		if err != nil {
			return found, err
		}
		found.Organisations = append(found.Organisations, organisationJSON{
			ID: org, Limit: o.ConcurrencyLimit, Region: o.Region, Exceeded: o.UsageExceeded, Keys: keys[org],
		})
		if err := found.ownedBy(ctx, conf, org); err != nil {
			return found, err
		}
	}
	return found, nil
}

func (f *checkJSON) ownedBy(ctx context.Context, conf *config.Config, org string) error {
	for _, id := range conf.Agents(org) {
		agent, err := conf.Agent(ctx, org, id)
		if err != nil {
			return err
		}
		f.Agents = append(f.Agents, agentJSON{ID: id, Organisation: org, HasURL: agent.URL != ""})
	}
	for _, id := range conf.Numbers(org) {
		n, err := conf.Number(ctx, org, id)
		if err != nil {
			return err
		}
		f.Numbers = append(f.Numbers, numberOf(org, id, n))
	}
	return nil
}

func numberOf(org, id string, n batch.Number) numberJSON {
	return numberJSON{
		ID: id, Organisation: org, E164: n.E164.String(), Carriers: n.Carriers, Weights: n.Weights,
		InboundOnly: n.InboundOnly, Region: n.Region, Channels: n.Channels,
	}
}

func carriersOf(conf *config.Config) []carrierJSON {
	list := []carrierJSON{}
	kinds := conf.Kinds()
	for name, d := range conf.Dialers() {
		c := carrierJSON{Name: name, Kind: kinds[name]}
		if l, ok := d.(dialer.Limiter); ok {
			limits := l.Limits()
			c.Channels, c.CPS, c.Burst = limits.Channels, limits.CPS, limits.Burst
		}
		if isAnswering(d) {
			c.Path = callbackPath + url.PathEscape(name) + "/"
		}
		if rules, ok := conf.Guard(name); ok {
			rules = rules.WithDefaults()
			c.Guard = &guardJSON{Allow: rules.Allow, Block: rules.Block, Hourly: max(rules.Hourly, 0)}
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b carrierJSON) int { return strings.Compare(a.Name, b.Name) })
	return list
}

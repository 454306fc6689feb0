package main

import (
	"cmp"
	"fmt"
	"strings"
)

// printCheck is for a person what the JSON document is for a program.
func (a *app) printCheck(f checkJSON) {
	a.print("%s can be used.\n", cmp.Or(f.Config, "The built-in configuration"))
	list(a, "organisations", f.Organisations, organisationJSON.text)
	list(a, "agents", f.Agents, agentJSON.text)
	list(a, "numbers", f.Numbers, numberJSON.text)
	list(a, "carriers", f.Carriers, carrierJSON.text)
}

func list[T any](a *app, section string, all []T, text func(T) (name, rest string)) {
	if len(all) == 0 {
		return
	}
	width := 0
	for _, v := range all {
		name, _ := text(v)
		width = max(width, len([]rune(printable(name))))
	}
	a.print("\n%s\n", section)
	for _, v := range all {
		name, rest := text(v)
		a.print("  %-*s  %s\n", width, printable(name), printable(rest))
	}
}

func (o organisationJSON) text() (name, rest string) {
	rest = fmt.Sprintf("%s at once, region %s, %s",
		plural(o.Limit, "call"), cmp.Or(o.Region, "US"), plural(o.Keys, "API key"))
	if o.Exceeded {
		rest += ", its usage is exceeded"
	}
	return o.ID, rest
}

func (g agentJSON) text() (name, rest string) {
	rest = "of " + g.Organisation
	if !g.HasURL {
		rest += ", without a URL"
	}
	return g.ID, rest
}

func (n numberJSON) text() (name, rest string) {
	parts := []string{n.E164 + " of " + n.Organisation}
	switch {
	case n.InboundOnly:
		parts = append(parts, "takes calls only")
	case n.Weights != nil:
		shares := make([]string, len(n.Carriers))
		for i, carrier := range n.Carriers {
			shares[i] = fmt.Sprintf("%s (%d)", carrier, n.Weights[i])
		}
		parts = append(parts, "over "+strings.Join(shares, " and ")+" by weight")
	default:
		parts = append(parts, "over "+strings.Join(n.Carriers, ", then "))
	}
	if n.Region != "" {
		parts = append(parts, "region "+n.Region)
	}
	if n.Channels > 1 {
		parts = append(parts, fmt.Sprintf("%d channels a call", n.Channels))
	}
	return n.ID, strings.Join(parts, ", ")
}

func (c carrierJSON) text() (name, rest string) {
	parts := []string{c.Kind}
	if c.Channels > 0 {
		parts = append(parts, plural(c.Channels, "call")+" at once")
	}
	if c.CPS > 0 {
		parts = append(parts, fmt.Sprintf("%g a second", c.CPS))
	}
	if c.Channels == 0 && c.CPS == 0 {
		parts = append(parts, "no limits")
	}
	if c.Path != "" {
		parts = append(parts, "calls back at "+c.Path)
	}
	if c.Guard != nil {
		parts = append(parts, c.Guard.text())
	} else if c.Kind != "fake" {
		parts = append(parts, "WITHOUT a guard against toll fraud")
	}
	rest = strings.Join(parts, ", ")
	if c.Probe != nil {
		rest += ": " + c.Probe.text()
	}
	return c.Name, rest
}

func (g guardJSON) text() string {
	text := "may call " + strings.Join(g.Allow, " ")
	if g.Hourly > 0 {
		text += fmt.Sprintf(" (at most %d an hour to numbers that share all but their last %d digits)", g.Hourly, g.Block)
	}
	return text
}

func (p probeJSON) text() string {
	switch p.Result {
	case probeOK:
		return "ok"
	case probeUnsupported:
		return "cannot be probed"
	}
	return "FAILED: " + p.Error
}

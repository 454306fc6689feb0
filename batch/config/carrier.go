package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/guard"
)

// imitation is the one carrier kind that costs nothing, so that it needs no guard.
const imitation = "fake"

// carrier reads a carrier, which is a URL or a mapping with one, and opens it. What it returns has no
// dialer where there is none to be closed.
func (r *reader) carrier(e entry, file guardRules) carrier {
	address, own := e, entry{}
	if isMapping(e.node) {
		o := r.object(e, "url", "guard")
		address, own = o.fields["url"], o.fields["guard"]
		if !o.required("url", "the carrier's URL") {
			r.ownGuard(own, file)
			return carrier{}
		}
	}
	v, readable := r.scalar(address, urlEncoder)
	rules := r.ownGuard(own, file)
	if !readable {
		return carrier{}
	}
	spec := carrierSpec{url: v.text}
	if rules.apply && (own.node != nil || spec.kind() != imitation) {
		spec.guard = fmt.Sprintf("%q %d %d", rules.Allow, rules.Block, rules.Hourly)
	}
	if !r.alone(v, e.name, spec) {
		return carrier{}
	}
	if before, open := r.before[e.name]; open && before.spec == spec {
		return before
	}
	d, err := dialer.Open(v.text)
	if err != nil {
		r.badValue(v, strings.TrimPrefix(err.Error(), "dialer: "))
		return carrier{}
	}
	if spec.guard == "" {
		return carrier{Dialer: d, spec: spec, leave: r.ledger.Unguarded()}
	}
	c := carrier{Dialer: r.guarded(d, e, own, rules), spec: spec, rules: &rules.Rules}
	if g, ok := c.Dialer.(interface{ Leave() }); ok {
		c.leave = g.Leave
	}
	return c
}

// guarded puts the guard before a carrier, unless there is a mistake.
func (r *reader) guarded(d dialer.Dialer, e, own entry, rules guardRules) dialer.Dialer {
	if rules.wrong {
		return d
	}
	if len(rules.Allow) == 0 {
		at := e
		if own.node != nil {
			at = own
		}
		r.bad(at.at(), e.path+".guard.allow", "required against toll fraud: the countries that may be called, such as "+
			"guard: {allow: [GB, US]}, at the top of the file for every carrier or beside this one's url; "+
			"guard: off does without")
		return d
	}
	g, err := r.ledger.Guard(d, rules.Rules)
	if err != nil {
		r.bad(e.at(), e.path+".guard", "%s", strings.TrimPrefix(err.Error(), "guard: "))
		return d
	}
	return g
}

// guardRules are those of the file, or of one carrier.
type guardRules struct {
	guard.Rules

	apply bool // false: the carrier does without
	wrong bool // there is a mistake in them
}

// fileGuard reads the rules of every carrier that has none of its own.
func (r *reader) fileGuard(file object) guardRules {
	rules := guardRules{apply: true}
	if e, ok := file.fields["guard"]; ok {
		r.guardFields(e, &rules)
	}
	return rules
}

// ownGuard reads the rules of a carrier. What they leave out is as in the file's.
func (r *reader) ownGuard(e entry, file guardRules) guardRules {
	switch text, isText := scalarText(e.node); {
	case e.node == nil:
		return file
	case isText && text == "off":
		return guardRules{}
	case !isMapping(e.node):
		r.bad(e.at(), e.path, "expected allow, block, hourly, or the word off, and got %s", kind(e.node))
		return guardRules{apply: true, wrong: true}
	}
	r.guardFields(e, &file)
	return file
}

func (r *reader) guardFields(e entry, rules *guardRules) {
	before := len(r.mistakes)
	o := r.object(e, "allow", "block", "hourly")
	if f, ok := o.fields["allow"]; ok {
		rules.Allow = r.allowed(f)
	}
	rules.Block = o.count("block", rules.Block)
	if f, ok := o.fields["block"]; ok && rules.Block > guard.MaxBlock {
		r.bad(f.node, f.path, "expected at most %d digits", guard.MaxBlock)
	}
	if f, ok := o.fields["hourly"]; ok {
		if text, _ := scalarText(f.node); text == "none" {
			rules.Hourly = -1
		} else {
			rules.Hourly = o.count("hourly", 0)
		}
	}
	rules.wrong = rules.wrong || len(r.mistakes) > before
}

// allowed reads a list of countries and prefixes.
func (r *reader) allowed(e entry) []string {
	list, ok := e.node.(*ast.SequenceNode)
	if !ok {
		r.bad(e.at(), e.path, "expected a list of countries and prefixes, such as [GB, +1212], and got %s", kind(e.node))
		return nil
	}
	if len(list.Values) == 0 {
		r.bad(list, e.path, "expected at least one country or prefix")
	}
	var rules []string
	for i, item := range list.Values {
		v, ok := r.scalar(entry{path: fmt.Sprintf("%s[%d]", e.path, i), node: item}, plain)
		if !ok {
			continue
		}
		if err := guard.CheckAllow(v.text); err != nil {
			r.badValue(v, err.Error())
		}
		rules = append(rules, v.text)
	}
	return rules
}

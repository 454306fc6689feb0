package config

import (
	"fmt"
	"slices"

	"github.com/goccy/go-yaml/ast"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
)

// references is what a number may refer to.
type references struct {
	organisations []string
	carriers      []string
	open          map[string]carrier // those of the carriers that opened
}

func (r *reader) number(e entry, refs references) number {
	o := r.object(e, "organisation", "e164", "carriers", "inbound_only", "region", "any_region", "channels")
	n := number{org: o.owner(refs.organisations), Number: batch.Number{
		E164:        o.phone("e164"),
		InboundOnly: o.flag("inbound_only"),
		Region:      o.region("region"),
		AnyRegion:   o.flag("any_region"),
		Channels:    o.count("channels", 1),
	}}
	f, given := o.fields["carriers"]
	switch {
	case given:
		n.Carriers, n.Weights = r.carriers(f, refs)
	case !n.InboundOnly:
		o.required("carriers", "the carriers that can place its calls")
	}
	o.fits(n.Number, refs.open)
	return n
}

func (o object) phone(name string) dialer.Phone {
	o.required(name, "the number in E.164 format, such as +14155550123")
	v, ok := o.text(name)
	if !ok {
		return ""
	}
	p, err := dialer.ParsePhone(v.text)
	if err != nil {
		o.r.badValue(v, err.Error())
	}
	return p
}

// carriers reads a list of names, or a mapping of names with weights.
func (r *reader) carriers(e entry, refs references) (names []string, weights []int) {
	if isMapping(e.node) {
		return r.weighted(e, refs)
	}
	list, ok := e.node.(*ast.SequenceNode)
	if !ok {
		r.bad(e.at(), e.path, "expected a list of carriers, or carriers with weights, and got %s", kind(e.node))
		return nil, nil
	}
	if len(list.Values) == 0 {
		r.bad(list, e.path, "expected at least one carrier")
	}
	for i, item := range list.Values {
		v, ok := r.scalar(entry{path: fmt.Sprintf("%s[%d]", e.path, i), node: item}, plain)
		switch {
		case !ok: // noted already
		case !slices.Contains(refs.carriers, v.text):
			r.badValue(v, noCarrier(v.text, refs))
		case slices.Contains(names, v.text):
			r.badValue(v, fmt.Sprintf("carrier %q is listed twice", v.text))
		}
		names = append(names, v.text)
	}
	return names, nil
}

func (r *reader) weighted(e entry, refs references) (names []string, weights []int) {
	before := len(r.mistakes)
	all := r.mapping(e.node, e.path)
	if len(all) == 0 && len(r.mistakes) == before {
		r.bad(e.node, e.path, "expected at least one carrier")
	}
	o := object{entry: e, r: r, fields: map[string]entry{}}
	for _, f := range all {
		o.fields[f.name] = f
		if !slices.Contains(refs.carriers, f.name) {
			r.bad(f.key, f.path, "%s", noCarrier(f.name, refs))
		}
		names, weights = append(names, f.name), append(weights, o.count(f.name, 1))
	}
	return names, weights
}

func noCarrier(name string, refs references) string {
	return fmt.Sprintf("no carrier is called %q%s", hideURL(name), expected(refs.carriers))
}

func expected(names []string) string {
	if len(names) == 0 {
		return ": the file has none"
	}
	return ": expected " + oneOf(names)
}

// fits refuses a number whose calls hold more channels than a carrier has: they would
// wait for ever.
func (o object) fits(n batch.Number, open map[string]carrier) {
	for i, name := range n.Carriers {
		l, ok := open[name].Dialer.(dialer.Limiter)
		if !ok {
			continue
		}
		if most := l.Limits().Channels; most > 0 && most < n.Channels {
			path := fmt.Sprintf("%s.carriers[%d]", o.path, i)
			if n.Weights != nil {
				path = o.path + ".carriers." + name
			}
			o.r.bad(o.fields["channels"].node, path,
				"a call holds %d channels, and carrier %q has %d", n.Channels, name, most)
		}
	}
}

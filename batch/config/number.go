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
	open          map[string]dialer.Dialer // those of the carriers that opened
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
		n.Carriers = r.carriers(f, refs)
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

func (r *reader) carriers(e entry, refs references) []string {
	list, ok := e.node.(*ast.SequenceNode)
	if !ok {
		r.bad(e.at(), e.path, "expected a list of carriers, and got %s", kind(e.node))
		return nil
	}
	if len(list.Values) == 0 {
		r.bad(list, e.path, "expected at least one carrier")
	}
	var names []string
	for i, item := range list.Values {
		v, ok := r.scalar(entry{path: fmt.Sprintf("%s[%d]", e.path, i), node: item}, plain)
		switch {
		case !ok: // noted already
		case !slices.Contains(refs.carriers, v.text):
			r.badValue(v, fmt.Sprintf("no carrier is called %q%s", hideURL(v.text), expected(refs.carriers)))
		case slices.Contains(names, v.text):
			r.badValue(v, fmt.Sprintf("carrier %q is listed twice", v.text))
		}
		names = append(names, v.text)
	}
	return names
}

func expected(names []string) string {
	if len(names) == 0 {
		return ": the file has none"
	}
	return ": expected " + oneOf(names)
}

// fits refuses a number whose calls hold more channels than a carrier has: they would
// wait for ever.
func (o object) fits(n batch.Number, open map[string]dialer.Dialer) {
	for i, name := range n.Carriers {
		l, ok := open[name].(dialer.Limiter)
		if !ok {
			continue
		}
		if most := l.Limits().Channels; most > 0 && most < n.Channels {
			path := fmt.Sprintf("%s.carriers[%d]", o.path, i)
			o.r.bad(o.fields["channels"].node, path,
				"a call holds %d channels, and carrier %q has %d", n.Channels, name, most)
		}
	}
}

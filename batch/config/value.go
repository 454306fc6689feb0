package config

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// value is a scalar in which the environment was looked up.
type value struct {
	entry

	text string
	vars []variable
}

// badValue notes a mistake in a value, without what came from the environment.
func (r *reader) badValue(v value, message string) {
	r.bad(v.node, v.path, "%s", hide(message, v.vars))
}

// scalar reads a value with its references, which encode puts into the text.
func (r *reader) scalar(e entry, encode encoder) (value, bool) {
	raw, ok := scalarText(e.node)
	if !ok {
		r.bad(e.at(), e.path, "expected text, and got %s", kind(e.node))
		return value{}, false
	}
	pieces, err := split(raw)
	if err != nil {
		r.bad(e.node, e.path, "%v", err)
		return value{}, false
	}
	vars, err := look(pieces, r.lookup)
	if err != nil {
		r.bad(e.node, e.path, "%v", err)
		return value{}, false
	}
	return value{entry: e, text: join(pieces, vars, encode(pieces)), vars: vars}, true
}

// scalarText takes a number as it is written, since +442079460000 without quotes is one.
func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// at is where to point for a value that may not be there.
func (e entry) at() ast.Node {
	if _, null := e.node.(*ast.NullNode); (null || e.node == nil) && e.key != nil {
		return e.key
	}
	return e.node
}

// object is a mapping whose names are known.
type object struct {
	entry

	r      *reader
	fields map[string]entry
}

// object reads a mapping and refuses names that are not known.
func (r *reader) object(e entry, known ...string) object {
	o := object{entry: e, r: r, fields: map[string]entry{}}
	if !isMapping(e.node) {
		r.bad(e.at(), e.path, "expected %s, and got %s", strings.Join(known, ", "), kind(e.node))
		return o
	}
	for _, f := range r.mapping(e.node, e.path) {
		if !slices.Contains(known, f.name) {
			r.bad(f.key, f.path, "unknown: expected any of %s", strings.Join(known, ", "))
			continue
		}
		o.fields[f.name] = f
	}
	return o
}

func isMapping(n ast.Node) bool {
	_, ok := n.(ast.MapNode)
	return ok
}

// text returns a field that may be left out.
func (o object) text(name string) (value, bool) { return o.textOf(name, plain) }

func (o object) textOf(name string, encode encoder) (value, bool) {
	f, ok := o.fields[name]
	if !ok {
		return value{}, false
	}
	return o.r.scalar(f, encode)
}

// required notes a mistake where a field is missing. An object that is none at all has
// been noted already.
func (o object) required(name, what string) bool {
	_, ok := o.fields[name]
	if !ok && isMapping(o.node) {
		o.r.bad(o.key, o.path+"."+name, "required: %s", what)
	}
	return ok
}

// count returns a whole number of at least 1.
func (o object) count(name string, fallback int) int {
	v, ok := o.text(name)
	if !ok {
		return fallback
	}
	n, err := strconv.ParseInt(v.text, 0, 64)
	if err != nil || n < 1 || n > math.MaxInt32 {
		o.r.badValue(v, "expected a whole number of at least 1")
		return fallback
	}
	return int(n)
}

// flag returns true or false; left out, false.
func (o object) flag(name string) bool {
	v, ok := o.text(name)
	if !ok {
		return false
	}
	if v.text != "true" && v.text != "false" {
		o.r.badValue(v, "expected true or false")
	}
	return v.text == "true"
}

// region returns a region; left out, none.
func (o object) region(name string) string {
	v, ok := o.text(name)
	if !ok {
		return ""
	}
	switch v.text {
	case "US", "EU", "APAC":
		return v.text
	}
	o.r.badValue(v, "expected US, EU or APAC")
	return ""
}

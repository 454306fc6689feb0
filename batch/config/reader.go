package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/outdial/outdial/dialer/guard"
)

// reader reads the syntax tree of a file by hand rather than into structs: a decoder stops at
// its first error, and has no place for a mistake that only the whole file shows.
type reader struct {
	lookup   func(string) (string, bool)
	before   map[string]carrier // that are open, and stay so if nothing has changed
	ledger   *guard.Ledger      // for those that are opened, with a guard or without
	mistakes []Mistake

	addresses []address // of the carriers that were read

	secret map[int]bool // lines that are not shown, since an API key may stand there
}

// entry is a value with its name and place.
type entry struct {
	name string
	path string
	key  ast.Node // where the name stands; nil for an item of a list
	node ast.Node
}

// bad notes a mistake at a node.
func (r *reader) bad(at ast.Node, path, format string, args ...any) {
	m := Mistake{Path: path, Message: fmt.Sprintf(format, args...)}
	if at != nil && at.GetToken() != nil {
		m.Line, m.Column = at.GetToken().Position.Line, at.GetToken().Position.Column
	}
	r.mistakes = append(r.mistakes, m)
}

// root parses the file and returns its one mapping; nil when there is a mistake.
func (r *reader) root(text []byte) ast.Node {
	if len(text) > MaxSize {
		r.bad(nil, "", "the file has more than %d bytes", MaxSize)
		return nil
	}
	f, err := parseYAML(string(text))
	if err != nil {
		r.syntax(err)
		return nil
	}
	switch {
	case len(f.Docs) == 0 || len(f.Docs) == 1 && f.Docs[0].Body == nil:
		r.bad(nil, "", "the file is empty: expected organisations, agents, carriers and numbers")
		return nil
	case len(f.Docs) > 1:
		r.bad(f.Docs[1].Body, "", "expected one YAML document, without directives")
		return nil
	}
	return f.Docs[0].Body
}

// parseYAML turns a panic of the parser into an error: a file that it cannot cope with must
// not take down the program that reads it.
func parseYAML(text string) (f *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			f, err = nil, errors.New("the YAML cannot be read")
		}
	}()
	tokens := lexer.Tokenize(text)
	if err := checkDepth(tokens); err != nil {
		return nil, err
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// checkDepth refuses nesting far beyond what a file needs. The parser's time and memory grow
// with the square of the depth, so a small file could use up all of the machine's.
func checkDepth(tokens token.Tokens) error {
	const most = 16 // of brackets, and of dashes in a line
	depth, dashes, line := 0, 0, 0
	for _, tk := range tokens {
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			if tk.Position.Line != line {
				dashes, line = 0, tk.Position.Line
			}
			dashes++
		default:
		}
		if depth > most || dashes > most {
			return &yaml.SyntaxError{Message: "nested too deeply", Token: tk}
		}
	}
	return nil
}

func (r *reader) syntax(err error) {
	var ye yaml.Error
	if !errors.As(err, &ye) || ye.GetToken() == nil {
		r.bad(nil, "", "%s", hideURL(hideKeys(err.Error())))
		return
	}
	at := ye.GetToken().Position
	r.mistakes = append(r.mistakes, Mistake{Line: at.Line, Column: at.Column, Message: hideURL(hideKeys(ye.GetMessage()))})
}

// mapping returns the entries of a mapping in their order, each name once.
func (r *reader) mapping(n ast.Node, path string) []entry {
	m, ok := n.(ast.MapNode)
	if !ok {
		r.bad(n, path, "expected names with their values, and got %s", kind(n))
		return nil
	}
	var entries []entry
	lines := map[string]int{}
	for it := m.MapRange(); it.Next(); {
		e, ok := r.entry(it.Key(), it.Value(), path)
		if !ok {
			continue
		}
		if line, twice := lines[e.name]; twice {
			r.bad(e.key, e.path, "given twice, first in line %d", line)
			continue
		}
		lines[e.name] = e.key.GetToken().Position.Line
		entries = append(entries, e)
	}
	return entries
}

func (r *reader) entry(key ast.MapKeyNode, value ast.Node, path string) (entry, bool) {
	name, ok := keyText(key)
	switch {
	case !ok:
		r.bad(key, path, "expected a name, and got %s", kind(key))
		return entry{}, false
	case name == "":
		r.bad(key, path, "a name is empty")
		return entry{}, false
	case strings.ContainsRune(name, '$'):
		r.bad(key, path, "the environment is looked up for values, not for names")
		return entry{}, false
	}
	if path != "" {
		path += "."
	}
	return entry{name: name, path: path + hideURL(name), key: key, node: value}, true
}

// keyText takes numbers and the like as they are written: an organisation may be called 42.
func keyText(key ast.MapKeyNode) (string, bool) {
	switch n := key.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// kind names a node for a message.
func kind(n ast.Node) string {
	switch n.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case ast.MapNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode, *ast.TagNode:
		return "an anchor, alias, merge key or tag, which are not supported"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	}
	return "text"
}

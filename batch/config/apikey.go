package config

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// apiKeys are those of the whole file, by their SHA-256.
type apiKeys struct {
	orgs  map[[32]byte]string
	lines map[[32]byte]int // where each stands
}

const hashPrefix = "sha256:"

// apiKeys reads the keys of one organisation.
func (r *reader) apiKeys(e entry, org string, keys apiKeys) {
	list, ok := e.node.(*ast.SequenceNode)
	if !ok {
		r.conceal(e.node)
		r.bad(e.at(), e.path, "expected a list of keys, and got %s", kind(e.node))
		return
	}
	for i, item := range list.Values {
		r.apiKey(entry{path: fmt.Sprintf("%s[%d]", e.path, i), node: item}, org, keys)
	}
}

func (r *reader) apiKey(e entry, org string, keys apiKeys) {
	hash, ok := r.hash(e)
	if !ok {
		return
	}
	if line, twice := keys.lines[hash]; twice {
		r.bad(e.node, e.path, "used twice, first in line %d: a key belongs to one organisation", line)
		return
	}
	keys.orgs[hash], keys.lines[hash] = org, e.node.GetToken().Position.Line
}

// hash reads one. What is none may be the key itself, put there by mistake, so nothing of it
// is shown.
func (r *reader) hash(e entry) (hash [32]byte, ok bool) {
	if _, ok := scalarText(e.node); !ok { // inside brackets, a colon makes a mapping of what has no quotes
		r.conceal(e.node)
		r.bad(e.node, e.path, "expected text in quotes, and got %s", kind(e.node))
		return hash, false
	}
	v, ok := r.scalar(e, plain)
	if !ok {
		r.conceal(e.node)
		return hash, false
	}
	digits, ok := strings.CutPrefix(v.text, hashPrefix)
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != len(hash) {
		r.conceal(e.node)
		r.badValue(v, "expected sha256:… of a key, as `outdial key` prints it")
		return hash, false
	}
	return [32]byte(b), true
}

// conceal keeps the lines of a value from being shown, those of whatever is inside of it too.
func (r *reader) conceal(n ast.Node) {
	if n != nil {
		ast.Walk(concealer{r}, n)
	}
}

type concealer struct{ r *reader }

// Visit implements ast.Visitor.
func (c concealer) Visit(n ast.Node) ast.Visitor {
	t := n.GetToken()
	if t == nil {
		return c
	}
	if c.r.secret == nil {
		c.r.secret = map[int]bool{}
	}
	// A text may be folded over several lines, before or behind the place that it is given.
	for i, span := 0, strings.Count(t.Origin, "\n"); i <= span; i++ {
		c.r.secret[t.Position.Line+i] = true
		c.r.secret[max(t.Position.Line-i, 1)] = true
	}
	return c
}

// In a file that cannot be parsed it is not known what stands where: so nothing behind
// api_keys is shown, and nothing that looks like a key of ours.
var (
	keysField = regexp.MustCompile(`(api_keys["']?\s*:).*`)
	keyWord   = regexp.MustCompile(`\bod_[0-9A-Za-z_-]+`)
)

func hideKeys(line string) string {
	line = keysField.ReplaceAllString(line, "${1} "+hidden)
	return keyWord.ReplaceAllLiteralString(line, "od_"+hidden)
}

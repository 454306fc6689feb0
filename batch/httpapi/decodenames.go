package httpapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// none is the index of what stands in no list.
const none = -1

// place is where a value stands. It becomes a path only where something is wrong with it,
// since there are thousands of places.
type place struct {
	index int // of the recipient, or none
	name  string
}

func (p place) member(name string) place {
	p.name = name
	return p
}

// String is the path as the contract writes it: recipients[17].to_number.
func (p place) String() string {
	if p.index == none {
		return p.name
	}
	path := recipientsField + "[" + strconv.Itoa(p.index) + "]"
	if p.name == "" {
		return path
	}
	return path + "." + p.name
}

// names finds out which members an object has, and refuses to choose between two.
type names struct {
	known  []string
	seen   uint64          // of known, by index
	told   uint64          // of known, by index: that it stands there more than once
	others map[string]bool // unknown ones; true: it was told that it stands there more than once
	full   bool            // it was told that there are too many
}

// misnamed is a member that is there more than once, or almost one of those known.
type misnamed struct{ name, message string }

// mostOthers is how many unknown members an object may have: each has to be remembered, so
// that none is there twice.
const mostOthers = 1000

// meet takes a name in its quotes and returns its index, or none if its value is
// to be skipped.
func (n *names) meet(raw jsontext.Value) (int, *misnamed) {
	name := inQuotes(raw)
	for i, known := range n.known {
		if string(name) == known {
			return n.again(i)
		}
	}
	return none, n.unknown(string(name))
}

// inQuotes is the name, which may be part of raw.
func inQuotes(raw jsontext.Value) []byte {
	name := raw[1 : len(raw)-1]
	if slices.Contains(name, '\\') {
		name, _ = jsontext.AppendUnquote(nil, raw) // no error: the decoder has taken it, so it is a string
	}
	return name
}

func (n *names) again(i int) (int, *misnamed) {
	bit := uint64(1) << i
	switch {
	case n.seen&bit == 0:
		n.seen |= bit
		return i, nil
	case n.told&bit == 0:
		n.told |= bit
		return none, &misnamed{n.known[i], "expected once, got it more than once"}
	}
	return none, nil
}

func (n *names) unknown(name string) *misnamed {
	told, ok := n.others[name]
	switch {
	case !ok && len(n.others) < mostOthers:
		if n.others == nil {
			n.others = map[string]bool{}
		}
		n.others[name] = false
		return almost(name, n.known)
	case !ok && n.full, told:
		return nil
	case !ok:
		n.full = true
		return &misnamed{clip(name, maxName), fmt.Sprintf("expected at most %d members that are unknown", mostOthers)}
	}
	n.others[name] = true
	return &misnamed{clip(name, maxName), "expected once, got it more than once"}
}

// almost finds the name that was meant: who writes Name does not expect it to be ignored.
func almost(name string, known []string) *misnamed {
	for _, k := range known {
		if strings.EqualFold(name, k) {
			return &misnamed{name, "unknown; did you mean " + k + "?"}
		}
	}
	return nil
}

// maxName is how much of a name that a client chose stands in a path, in bytes.
const maxName = 60

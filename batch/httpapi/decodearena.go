package httpapi

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// arena keeps the many small texts of one request in few pieces of memory. They live and
// die together, since the request does.
type arena struct {
	texts strings.Builder
	free  []byte
}

const (
	leastArena = 512      // bytes: most requests are small
	mostArena  = 64 << 10 // what is larger than a quarter of this gets memory of its own
)

// bytes returns a copy of b.
func (a *arena) bytes(b []byte) []byte {
	if len(b) > mostArena/4 {
		return slices.Clone(b)
	}
	if cap(a.free)-len(a.free) < len(b) {
		a.free = make([]byte, 0, max(min(2*cap(a.free), mostArena), leastArena, len(b)))
	}
	start := len(a.free)
	a.free = append(a.free, b...)
	return a.free[start:len(a.free):len(a.free)]
}

// text returns the text of a JSON string.
func (a *arena) text(raw jsontext.Value) string {
	b := []byte(raw[1 : len(raw)-1])
	if slices.Contains(b, '\\') {
		b, _ = jsontext.AppendUnquote(nil, raw) // no error: the decoder has taken it, so it is a string
	}
	if len(b) > mostArena/4 {
		return string(b)
	}
	if a.texts.Cap()-a.texts.Len() < len(b) {
		size := max(min(2*a.texts.Cap(), mostArena), leastArena, len(b))
		a.texts = strings.Builder{}
		a.texts.Grow(size)
	}
	start := a.texts.Len()
	a.texts.Write(b)
	return a.texts.String()[start:]
}

package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// piece is a part of a value: text, or a reference to the environment.
type piece struct {
	text string
	name string // of the variable; empty: it is text
}

// variable is a reference with what stands for it.
type variable struct {
	name  string
	value string
}

// split finds the references in a value.
func split(s string) ([]piece, error) {
	var pieces []piece
	for s != "" {
		before, after, found := strings.Cut(s, "$")
		pieces = append(pieces, piece{text: before})
		if !found {
			break
		}
		next, rest, err := afterDollar(after)
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, next)
		s = rest
	}
	return pieces, nil
}

func afterDollar(s string) (next piece, rest string, err error) {
	if rest, ok := strings.CutPrefix(s, "$"); ok {
		return piece{text: "$"}, rest, nil
	}
	inner, ok := strings.CutPrefix(s, "{")
	if !ok {
		return piece{}, "", errors.New("a $ begins a reference such as ${NAME}; a dollar is written $$")
	}
	name, rest, ok := strings.Cut(inner, "}")
	if !ok || !isName(name) {
		return piece{}, "", errors.New("expected ${NAME}, where NAME has letters, digits and underscores only")
	}
	return piece{name: name}, rest, nil
}

func isName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// look finds the variables of the pieces, each name once.
func look(pieces []piece, lookup func(string) (string, bool)) ([]variable, error) {
	var found []variable
	var errs []string
	for _, p := range pieces {
		if p.name == "" || slices.ContainsFunc(found, func(v variable) bool { return v.name == p.name }) {
			continue
		}
		value, ok := lookup(p.name)
		switch {
		case !ok:
			errs = append(errs, fmt.Sprintf("the environment variable %s is not set", p.name))
		case value == "":
			errs = append(errs, fmt.Sprintf("the environment variable %s is empty", p.name))
		}
		found = append(found, variable{p.name, value})
	}
	if errs != nil {
		return nil, errors.New(strings.Join(slices.Compact(errs), "; "))
	}
	return found, nil
}

// join puts the variables in the place of their references. encode is asked for each,
// with the index of its piece.
func join(pieces []piece, vars []variable, encode func(i int, s string) string) string {
	var b strings.Builder
	for i, p := range pieces {
		if p.name == "" {
			b.WriteString(p.text)
			continue
		}
		v := slices.IndexFunc(vars, func(v variable) bool { return v.name == p.name })
		b.WriteString(encode(i, vars[v].value))
	}
	return b.String()
}

// encoder tells how the variable in the place of piece i is written.
type encoder func([]piece) func(i int, s string) string

func plain([]piece) func(int, string) string {
	return func(_ int, s string) string { return s }
}

// urlEncoder encodes the variables in the user information and in the parameters of
// a URL, so that a value can be any text there and cannot add to the URL. Which part a
// reference stands in is decided by the text around it, never by a value.
func urlEncoder(pieces []piece) func(int, string) string {
	at := make([]int, len(pieces))
	var shape strings.Builder
	for i, p := range pieces {
		at[i] = shape.Len()
		if p.name != "" {
			shape.WriteByte('x')
		}
		shape.WriteString(p.text)
	}
	user, query := urlParts(shape.String())
	return func(i int, s string) string {
		if at[i] < user || at[i] >= query {
			// A space as %20, which both parts understand; a + only parameters do.
			return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
		}
		return s
	}
}

// urlParts returns where the user information ends and the parameters begin. A URL whose
// scheme is in a variable has neither.
func urlParts(s string) (user, query int) {
	scheme := strings.Index(s, "://")
	if scheme < 0 {
		return 0, len(s)
	}
	authority := scheme + len("://")
	query = len(s)
	if i := strings.IndexByte(s[authority:], '?'); i >= 0 {
		query = authority + i
	}
	end := query
	if i := strings.IndexAny(s[authority:query], "/#"); i >= 0 {
		end = authority + i
	}
	if i := strings.LastIndexByte(s[authority:end], '@'); i >= 0 {
		user = authority + i
	}
	return user, query
}

// hide puts the references back in the place of what stands for them, in whichever
// way that may be written in a message.
func hide(message string, vars []variable) string {
	// A longer one first, as it may contain a shorter one.
	vars = slices.SortedFunc(slices.Values(vars), func(a, b variable) int { return len(b.value) - len(a.value) })
	for _, v := range vars {
		for _, s := range []string{v.value, url.QueryEscape(v.value), url.PathEscape(v.value), quoted(v.value)} {
			message = hideOne(message, s, "${"+v.name+"}")
		}
	}
	return message
}

// A value as short as this is no secret worth the name, and would be found inside of
// ordinary words, so only where it stands alone it is replaced.
const short = 4

func hideOne(message, value, with string) string {
	if len(value) >= short {
		return strings.ReplaceAll(message, value, with)
	}
	alone := regexp.MustCompile(`\b` + regexp.QuoteMeta(value) + `\b`)
	return alone.ReplaceAllLiteralString(message, with)
}

func quoted(s string) string {
	q := fmt.Sprintf("%q", s)
	return q[1 : len(q)-1]
}

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing that is wrong with a file.
type Mistake struct {
	Line    int    // from 1
	Column  int    // in characters, from 1
	Path    string // where in the file: numbers.main.carriers[0]; empty: the file as a whole
	Message string // what was expected
	Source  string // the line itself, without what may be a secret
}

// InvalidError lists every mistake of a file, in the order of its lines.
type InvalidError struct {
	File     string
	Mistakes []Mistake
}

// Error shows each mistake with its place, and the line below it.
func (e *InvalidError) Error() string {
	var b strings.Builder
	if n := len(e.Mistakes); n > 1 {
		fmt.Fprintf(&b, "%s: %d mistakes\n", e.File, n)
	}
	for i, m := range e.Mistakes {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s:%d:%d: ", e.File, m.Line, m.Column)
		if m.Path != "" {
			b.WriteString(m.Path + ": ")
		}
		b.WriteString(m.Message)
		m.quote(&b)
	}
	return b.String()
}

// quote writes the line and a mark below its column, unless the column is hidden.
func (m Mistake) quote(b *strings.Builder) {
	if strings.TrimSpace(m.Source) == "" {
		return
	}
	fmt.Fprintf(b, "\n%6d | %s", m.Line, m.Source)
	before := []rune(m.Source)
	if m.Column > len(before) {
		return
	}
	indent := strings.Map(func(c rune) rune {
		if c == '\t' {
			return c
		}
		return ' '
	}, string(before[:m.Column-1]))
	fmt.Fprintf(b, "\n       | %s^", indent)
}

func invalid(file string, text []byte, mistakes []Mistake, secret map[int]bool) *InvalidError {
	lines := strings.Split(string(text), "\n")
	for i := range mistakes {
		m := &mistakes[i]
		m.Line, m.Column = max(m.Line, 1), max(m.Column, 1)
		switch {
		case secret[m.Line]:
			m.Source = hidden
		case m.Line <= len(lines):
			m.Source = printable(hideURL(hideKeys(strings.TrimRight(lines[m.Line-1], " \r"))))
		}
	}
	slices.SortStableFunc(mistakes, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &InvalidError{File: file, Mistakes: mistakes}
}

const hidden = "•••"

// hideURL cuts a line off where a URL gives more than its scheme, since any part of it
// may be a secret. A lone @ is taken for a piece of a URL that is broken.
func hideURL(line string) string {
	if before, _, ok := strings.Cut(line, "://"); ok {
		return before + "://" + hidden
	}
	if !strings.Contains(line, "@") {
		return line
	}
	if key, _, ok := strings.Cut(line, ": "); ok && !strings.Contains(key, "@") {
		return key + ": " + hidden
	}
	return hidden
}

// printable keeps a file with control characters from writing to a terminal, and
// one with a line of a megabyte from filling it.
func printable(line string) string {
	const most = 200
	line = strings.Map(func(c rune) rune {
		if c != '\t' && (c < ' ' || c == 0x7f || c == '\uFFFD') {
			return '·'
		}
		return c
	}, line)
	if r := []rune(line); len(r) > most {
		return string(r[:most]) + "…"
	}
	return line
}

package csvfile

import (
	"fmt"
	"slices"
	"strings"
)

const numberColumn = "to_number"

// header is what the first row says.
type header struct {
	sep     byte
	columns []column
	number  int  // index of the number's column
	results bool // WriteResults wrote it
}

// column is one column of the file.
type column struct {
	name string
	skip bool // a column of WriteResults, which says what became of an earlier call
}

// attempt is the first row under one separator.
type attempt struct {
	header  header
	rows    *scanner // behind it
	cells   int
	problem *Problem
}

// parseHeader reads the first row under the separator that it must have been written with:
// the one that yields a column for the numbers, and of several the one with most columns.
func parseHeader(text string) (header, *scanner, *Problem) {
	seps, line := ",;\t", 1
	if sep, rest, ok := declaredSeparator(text); ok {
		seps, text, line = sep, rest, line+1
	}
	best := headerUnder(newScanner(text, seps[0], line))
	for i := 1; i < len(seps); i++ {
		if a := headerUnder(newScanner(text, seps[i], line)); a.better(best) {
			best = a
		}
	}
	return best.header, best.rows, best.problem
}

func (a attempt) better(b attempt) bool {
	if (a.problem == nil) != (b.problem == nil) {
		return a.problem == nil
	}
	return a.cells > b.cells
}

// declaredSeparator reads the line sep=; with which Excel is told the separator.
func declaredSeparator(text string) (sep, rest string, ok bool) {
	const prefix = "sep="
	if len(text) <= len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return "", text, false
	}
	s := newScanner(text, 0, 1)
	s.pos = len(prefix) + 1
	if !strings.ContainsRune(",;\t", rune(text[len(prefix)])) || s.pos == len(text) || !s.atBreak() {
		return "", text, false
	}
	s.newline()
	return text[len(prefix) : len(prefix)+1], text[s.pos:], true
}

func headerUnder(s *scanner) attempt {
	r, ok := s.next()
	for ok && r.blank() {
		r, ok = s.next()
	}
	switch {
	case !ok:
		return attempt{problem: &Problem{Code: CodeEmpty, Message: "the file is empty",
			Hint: "Its first row names the columns, one of them " + numberColumn}}
	case r.problem != nil:
		if r.problem.Code == CodeQuote {
			r.problem.Code = CodeHeader
		}
		return attempt{problem: r.problem, cells: len(r.cells)}
	}
	h, p := newHeader(r, s.sep)
	return attempt{header: h, rows: s, cells: len(r.cells), problem: p}
}

func newHeader(r record, sep byte) (header, *Problem) {
	if h, ok := resultsHeader(r, sep); ok {
		return h, nil
	}
	h := header{sep: sep, columns: make([]column, len(r.cells))}
	for i, cell := range r.cells {
		h.columns[i].name = arm(trim(cell))
	}
	if p := h.findNumber(r.line); p != nil {
		return header{}, p
	}
	p := h.findDuplicates(r.line)
	return h, p
}

// resultsHeader knows a file that WriteResults wrote, and what it called the metadata.
func resultsHeader(r record, sep byte) (header, bool) {
	fixed := resultColumns()
	if len(r.cells) < len(fixed) || !slices.Equal(r.cells[:len(fixed)], fixed) {
		return header{}, false
	}
	h := header{sep: sep, columns: make([]column, len(r.cells)), results: true}
	for i, cell := range r.cells {
		name := strings.TrimPrefix(rearm(cell), metadataPrefix)
		h.columns[i] = column{name: name, skip: i > 0 && i < len(fixed)}
	}
	return h, true
}

// undo takes off what keeps a cell from being calculated: in any file what people put there, in a
// results file what WriteResults did.
func (h *header) undo(cell string) string {
	if h.results {
		return rearm(cell)
	}
	return arm(cell)
}

// findNumber decides which column holds the numbers.
func (h *header) findNumber(line int) *Problem {
	found := h.named(numberColumn)
	if len(found) == 0 {
		found = h.named("phone", "phone_number", "telephone", "tel", "mobile", "msisdn", "number", "to")
	}
	switch len(found) {
	case 0:
		return &Problem{Line: line, Code: CodeNoNumbers,
			Message: "no column is called " + numberColumn + "; there are: " + h.names(),
			Hint:    "Name the column with the phone numbers " + numberColumn + " in the first row"}
	case 1:
		h.number = found[0]
		return nil
	}
	return &Problem{Line: line, Code: CodeNoNumbers,
		Message: fmt.Sprintf("columns %d and %d could both hold the numbers", found[0]+1, found[1]+1),
		Hint:    "Name one of them " + numberColumn + ", and the other one differently"}
}

func (h *header) named(names ...string) []int {
	var found []int
	plain := strings.NewReplacer(" ", "_", "-", "_")
	for i, c := range h.columns {
		if slices.Contains(names, plain.Replace(strings.ToLower(c.name))) {
			found = append(found, i)
		}
	}
	return found
}

func (h *header) names() string {
	const most = 200
	names := make([]string, len(h.columns))
	for i, c := range h.columns {
		names[i] = fmt.Sprintf("%.40q", c.name)
	}
	return fmt.Sprintf("%.*s", most, strings.Join(names, ", "))
}

func (h *header) findDuplicates(line int) *Problem {
	seen := map[string]int{}
	for i, c := range h.columns {
		if j, ok := seen[c.name]; ok && c.name != "" {
			return &Problem{Line: line, Column: c.name, Code: CodeSameColumn,
				Message: fmt.Sprintf("columns %d and %d have this same name", j+1, i+1),
				Hint:    "Give each column a name of its own"}
		}
		seen[c.name] = i
	}
	return nil
}

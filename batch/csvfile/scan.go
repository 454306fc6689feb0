package csvfile

import (
	"strings"
	"unicode/utf8"
)

// record is one row as it stands in the file.
type record struct {
	line    int // the physical line on which it begins
	cells   []string
	problem *Problem // its cells cannot be told apart, or are no text
}

// blank says that no cell is filled: spreadsheets write such rows as ";;;".
func (r record) blank() bool {
	for _, c := range r.cells {
		if trim(c) != "" {
			return false
		}
	}
	return r.problem == nil
}

// scanner takes a file apart. encoding/csv is not used because it keeps no line by which a
// multi-line row could be found, does not know a lone CR, and rewrites line breaks in cells.
type scanner struct {
	text string
	sep  byte
	pos  int
	line int // of text[pos], from 1
}

func newScanner(text string, sep byte, line int) *scanner {
	return &scanner{text: text, sep: sep, line: line}
}

// next returns the next row, or false at the end. After a row with a stray quote it goes
// on with the next line, so that one mistake does not hide the others.
func (s *scanner) next() (record, bool) {
	if s.pos >= len(s.text) {
		return record{}, false
	}
	r := record{line: s.line}
	start := s.pos
	for {
		cell, p := s.cell()
		if p != nil {
			p.Line, r.problem = r.line, p
			s.skipLine()
			return r, true
		}
		r.cells = append(r.cells, cell)
		if !s.take(s.sep) {
			break
		}
	}
	r.problem = encodingProblem(s.text[start:s.pos], r.line)
	s.newline()
	return r, true
}

func encodingProblem(raw string, line int) *Problem {
	p := Problem{Line: line, Code: CodeNotUTF8, Message: "this is not text in UTF-8",
		Hint: "Save the file as CSV UTF-8, or run it through iconv"}
	switch {
	case !utf8.ValidString(raw):
		return &p
	case strings.IndexByte(raw, 0) >= 0:
		p.Message = "there is a zero byte in it"
		return &p
	}
	return nil
}

// cell reads one cell and stops in front of the separator or line break behind it.
func (s *scanner) cell() (string, *Problem) {
	if s.take('"') {
		return s.quoted()
	}
	start := s.pos
	for ; s.pos < len(s.text) && !s.at(s.sep) && !s.atBreak(); s.pos++ {
		if s.text[s.pos] == '"' {
			return "", &Problem{Code: CodeQuote, Message: "there is a quote inside a cell that does not begin with one",
				Hint: `Put the whole cell into quotes and double the ones inside: "5"" pipe"`}
		}
	}
	return s.text[start:s.pos], nil
}

// quoted reads on behind the opening quote.
func (s *scanner) quoted() (string, *Problem) {
	var b strings.Builder
	for s.pos < len(s.text) {
		switch {
		case s.take('"'):
			if !s.take('"') {
				return b.String(), s.afterQuote()
			}
			b.WriteByte('"')
		case s.atBreak():
			start := s.pos
			s.newline()
			b.WriteString(s.text[start:s.pos])
		default:
			b.WriteByte(s.text[s.pos])
			s.pos++
		}
	}
	return "", &Problem{Code: CodeUnclosed,
		Message: "a quote that opens here is never closed, so the rest of the file cannot be read",
		Hint:    "Close it, or double it if it belongs to the text"}
}

func (s *scanner) afterQuote() *Problem {
	if s.pos == len(s.text) || s.at(s.sep) || s.atBreak() {
		return nil
	}
	return &Problem{Code: CodeQuote, Message: "there is text behind the closing quote of a cell",
		Hint: "Double a quote that belongs to the text"}
}

func (s *scanner) at(c byte) bool { return s.text[s.pos] == c }

func (s *scanner) atBreak() bool { return s.at('\n') || s.at('\r') }

func (s *scanner) take(c byte) bool {
	if s.pos < len(s.text) && s.at(c) {
		s.pos++
		return true
	}
	return false
}

// newline takes one line break, if there is one here.
func (s *scanner) newline() {
	cr := s.take('\r')
	if lf := s.take('\n'); cr || lf {
		s.line++
	}
}

func (s *scanner) skipLine() {
	for s.pos < len(s.text) && !s.atBreak() {
		s.pos++
	}
	s.newline()
}

package csvfile

import (
	"fmt"
	"strings"
)

// Code names a kind of problem for programs. The set may grow.
type Code string

// The codes. Those above the blank line concern the whole file and cannot be skipped.
const (
	CodeEmpty      Code = "empty_file"          // nothing in it, or a header and no recipient
	CodeTooLarge   Code = "file_too_large"      // more bytes than Options.MaxBytes
	CodeTooMany    Code = "too_many_recipients" // more than Options.MaxRecipients
	CodeUTF16      Code = "utf16"               // saved in another encoding
	CodeHeader     Code = "header"              // the first row cannot be read
	CodeNoNumbers  Code = "no_number_column"    // no column is to_number, or several may be
	CodeSameColumn Code = "duplicate_column"    // two columns have one name
	CodeUnclosed   Code = "unclosed_quote"      // a quote that swallows the rest of the file

	CodeNotUTF8      Code = "not_utf8"
	CodeQuote        Code = "quote"               // a quote where none may be
	CodeCellCount    Code = "cell_count"          // more or fewer cells than columns
	CodeNoName       Code = "column_without_name" // a filled cell under an empty heading
	CodeMetadata     Code = "metadata_too_large"
	CodeMissing      Code = "number_missing"
	CodeNoPlus       Code = "number_without_plus"
	CodeExitCode     Code = "number_with_00"
	CodeNational     Code = "number_national"   // begins with a single 0
	CodeTrunkZero    Code = "number_with_zero"  // +44 (0)20
	CodeScientific   Code = "number_scientific" // 4.42E+11
	CodeTwoNumbers   Code = "two_numbers"       // in one cell
	CodeCharacter    Code = "number_character"  // something that is no part of a number
	CodeNumberLength Code = "number_length"
	CodeNumberStart  Code = "number_start" // a country code cannot begin like this
)

// Skippable says whether a problem of this kind concerns one row, which Options.SkipBad leaves
// out. In the first row a problem is never skippable.
func (c Code) Skippable() bool {
	switch c {
	case CodeEmpty, CodeTooLarge, CodeTooMany, CodeUTF16, CodeHeader, CodeNoNumbers, CodeSameColumn, CodeUnclosed:
		return false
	default:
		return true
	}
}

// Problem is one thing that keeps a file, or one row of it, from being used.
type Problem struct {
	Line    int    // the line on which the row begins, from 1; 0: it concerns no line
	Column  string // the column's name; empty: it concerns no column
	Code    Code
	Message string // what is wrong
	Hint    string // what to do; may be empty
}

// String is the problem in one line.
func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	if p.Column != "" {
		fmt.Fprintf(&b, "%s: ", p.Column)
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString(". " + p.Hint)
	}
	return b.String()
}

// InvalidError lists every problem of a file, in the order of its lines.
type InvalidError struct {
	Problems []Problem
}

// Error names the first few problems and counts the rest.
func (e *InvalidError) Error() string {
	const shown = 5
	parts := make([]string, 0, shown+1)
	for i, p := range e.Problems {
		if i == shown {
			parts = append(parts, fmt.Sprintf("and %d more", len(e.Problems)-shown))
			break
		}
		parts = append(parts, p.String())
	}
	return "the file cannot be used: " + strings.Join(parts, "; ")
}

func invalid(p Problem) error { return &InvalidError{Problems: []Problem{p}} }

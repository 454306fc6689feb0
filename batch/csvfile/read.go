package csvfile

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// DefaultMaxBytes is how large a file may be unless Options say otherwise.
const DefaultMaxBytes = 256 << 20

// Options say how to read a file. The zero value is the strictest.
type Options struct {
	// AddPlus adds the + to every number that lacks it. It is for files in which every
	// number has its country code: others would ring strangers.
	AddPlus bool

	// SkipBad leaves rows with a problem out, instead of refusing the file.
	SkipBad bool

	// Dedupe keeps only the first row of each number.
	Dedupe bool

	MaxRecipients int   // 0: store.MaxRecipients
	MaxMetadata   int   // bytes of a recipient's metadata; 0: store.MaxMetadata
	MaxBytes      int64 // of the file, and of all metadata together; 0: DefaultMaxBytes
}

// File is what a file says.
type File struct {
	Columns    []string // of the metadata, in order
	Recipients []Recipient
	Duplicates int       // rows whose number stands in an earlier row; left out with Dedupe
	Skipped    []Problem // of the rows that were left out with SkipBad
}

// Recipient is one row.
type Recipient struct {
	Line     int // on which the row begins, from 1
	To       dialer.Phone
	Metadata json.RawMessage // nil where there is no column but the number's
}

// Read reads a whole file. The error is an [*InvalidError] where something is wrong with
// the file, otherwise what r returned. The file is held in memory, at most MaxBytes.
func Read(r io.Reader, o Options) (File, error) {
	o.MaxRecipients = cmp.Or(o.MaxRecipients, store.MaxRecipients)
	o.MaxMetadata = cmp.Or(o.MaxMetadata, store.MaxMetadata)
	o.MaxBytes = cmp.Or(o.MaxBytes, DefaultMaxBytes)
	text, err := slurp(r, o.MaxBytes)
	if err != nil {
		return File{}, err
	}
	head, rows, p := parseHeader(text)
	if p != nil {
		return File{}, invalid(*p)
	}
	rd := reader{options: o, header: head, seen: map[dialer.Phone]bool{}}
	return rd.read(rows)
}

func slurp(r io.Reader, most int64) (string, error) {
	text, err := readText(io.LimitReader(r, most+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("reading the recipients: %w", err)
	case int64(len(text)) > most:
		return "", invalid(Problem{Code: CodeTooLarge, Message: fmt.Sprintf("the file has more than %d bytes", most),
			Hint: "Split it"})
	}
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return "", invalid(Problem{Code: CodeUTF16, Message: "the file is in UTF-16",
			Hint: "Save it as CSV UTF-8; in Excel that is a file type of its own"})
	}
	return strings.TrimPrefix(text, "\ufeff"), nil
}

// reader goes through the rows behind the header.
type reader struct {
	options  Options
	header   header
	seen     map[dialer.Phone]bool
	file     File
	problems []Problem
	made     int64 // bytes of metadata, whatever became of it
	fatal    bool  // one of the problems concerns the file as a whole
}

func (rd *reader) read(rows *scanner) (File, error) {
	rd.file.Columns = rd.metadataNames()
	for r, ok := rows.next(); ok && !rd.fatal; r, ok = rows.next() {
		if !r.blank() {
			rd.row(r)
		}
	}
	rd.checkSize()
	switch {
	case len(rd.problems) > 0 && (rd.fatal || !rd.options.SkipBad):
		return File{}, &InvalidError{Problems: rd.problems}
	case len(rd.problems) > 0:
		rd.file.Skipped = rd.problems
	}
	return rd.file, nil
}

func (rd *reader) row(r record) {
	if r.problem != nil {
		rd.fatal = r.problem.Code == CodeUnclosed
		rd.problems = append(rd.problems, *r.problem)
		return
	}
	rec, p := rd.recipient(r)
	if p != nil {
		p.Line = r.line
		rd.problems = append(rd.problems, *p)
		return
	}
	if rd.seen[rec.To] {
		rd.file.Duplicates++
		if rd.options.Dedupe {
			return
		}
	}
	rd.seen[rec.To] = true
	rd.file.Recipients = append(rd.file.Recipients, rec)
}

func (rd *reader) recipient(r record) (Recipient, *Problem) {
	columns := rd.header.columns
	if len(r.cells) != len(columns) {
		return Recipient{}, &Problem{Code: CodeCellCount,
			Message: fmt.Sprintf("it has %d cells where the first row has %d", len(r.cells), len(columns)),
			Hint:    fmt.Sprintf("A cell with %q in it must be put into quotes", rd.header.sep)}
	}
	to, p := number(r.cells[rd.header.number], rd.options.AddPlus)
	if p != nil {
		p.Column = columns[rd.header.number].name
		return Recipient{}, p
	}
	metadata, p := rd.metadata(r)
	return Recipient{Line: r.line, To: to, Metadata: metadata}, p
}

func (rd *reader) metadataNames() []string {
	var names []string
	for i, c := range rd.header.columns {
		if rd.isMetadata(i) {
			names = append(names, c.name)
		}
	}
	return names
}

func (rd *reader) isMetadata(i int) bool {
	c := rd.header.columns[i]
	return i != rd.header.number && !c.skip && c.name != ""
}

func (rd *reader) metadata(r record) (json.RawMessage, *Problem) {
	values := make([]string, 0, len(r.cells))
	for i, cell := range r.cells {
		switch c := rd.header.columns[i]; {
		case rd.isMetadata(i):
			values = append(values, rd.header.undo(cell))
		case c.name == "" && !c.skip && trim(cell) != "":
			return nil, &Problem{Code: CodeNoName, Message: fmt.Sprintf("cell %d is filled, but its column has no name", i+1),
				Hint: "Name the column in the first row, or empty it"}
		}
	}
	metadata, err := object(rd.file.Columns, values)
	if err != nil {
		return nil, &Problem{Code: CodeMetadata, Message: err.Error()}
	}
	// The names of the columns are repeated in each row: a short file can stand for much.
	if rd.made += int64(len(metadata)); rd.made > rd.options.MaxBytes {
		rd.fatal = true
		return nil, &Problem{Code: CodeTooLarge,
			Message: fmt.Sprintf("with this row, the metadata of all rows is more than %d bytes", rd.options.MaxBytes),
			Hint:    "Shorten the names of the columns, which are repeated for each row, or split the file"}
	}
	if n := len(metadata); n > rd.options.MaxMetadata {
		return nil, &Problem{Code: CodeMetadata,
			Message: fmt.Sprintf("its metadata is %d bytes long; a recipient may have %d", n, rd.options.MaxMetadata),
			Hint:    "Shorten the row's longest cells"}
	}
	return metadata, nil
}

// checkSize comes last, since it concerns what is left of the file.
func (rd *reader) checkSize() {
	n := len(rd.file.Recipients)
	switch {
	case rd.fatal:
	case n > rd.options.MaxRecipients:
		rd.fail(Problem{Code: CodeTooMany,
			Message: fmt.Sprintf("the file has %d recipients; a batch may have %d", n, rd.options.MaxRecipients),
			Hint:    "Split the file"})
	case n == 0 && (len(rd.problems) == 0 || rd.options.SkipBad):
		rd.fail(Problem{Code: CodeEmpty, Message: "there is no recipient in the file",
			Hint: "Write one row for each below the first row, which names the columns"})
	}
}

func (rd *reader) fail(p Problem) {
	rd.fatal = true
	rd.problems = append(rd.problems, p)
}

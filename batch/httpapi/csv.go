package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/batch/csvfile"
)

// The parameters that say how to read a file.
const (
	addPlusParam = "add_plus"
	skipBadParam = "skip_bad"
	dedupeParam  = "dedupe"
)

// The headers that say what of a file was left out, as skip_bad and dedupe ask for.
const (
	skippedHeader    = "Outdial-Rows-Skipped"
	duplicatesHeader = "Outdial-Duplicates-Dropped"
)

// csvLine begins the path of what is wrong with a row.
const csvLine = "line "

// leftOut counts the rows of a file that became no recipients.
type leftOut struct {
	skipped    int // with skip_bad: something is wrong with them
	duplicates int // with dedupe: their number stands in an earlier row
}

// decodeCSV reads a request for a batch from a file of recipients, and its other fields from the
// query. Its errors are those of decodeCreate, with paths such as "line 7, column phone".
func decodeCSV(body io.Reader, r *http.Request, version string, maxMetadata int) (batch.Request, leftOut, error) {
	fields := createFields(version)
	p := parseParams(r, append(fieldNames(fields), addPlusParam, skipBadParam, dedupeParam)...)
	var request batch.Request
	for i := range fields {
		p.field(&fields[i], &request)
	}
	options := csvfile.Options{
		AddPlus: p.flag(addPlusParam), SkipBad: p.flag(skipBadParam), Dedupe: p.flag(dedupeParam),
		MaxMetadata: maxMetadata,
	}
	if b, ok := body.(*bodyReader); ok {
		b.weight = weightOfFile
		options.MaxBytes = b.limit // of the file, and of the metadata that rows become, with its names in each
	}
	file, err := csvfile.Read(&csvGuard{Reader: body}, options)
	if err != nil {
		if err = p.file(err); err != nil {
			return batch.Request{}, leftOut{}, unreadable(err)
		}
	}
	request.Recipients = make([]batch.RecipientRequest, len(file.Recipients))
	for i, x := range file.Recipients {
		request.Recipients[i] = batch.RecipientRequest{To: string(x.To), Metadata: x.Metadata}
	}
	left := leftOut{skipped: len(file.Skipped)}
	if options.Dedupe {
		left.duplicates = file.Duplicates
	}
	return request, left, p.err()
}

// field reads a field of the request from the query.
func (p *params) field(f *field, r *batch.Request) {
	switch {
	case p.values[f.name] == nil:
	case f.text != nil:
		f.text(r, p.text(f.name))
	case f.time != nil:
		f.time(r, p.time(f.name))
	case f.flag != nil:
		f.flag(r, p.flag(f.name))
	case f.integer != nil:
		p.integer(f, r)
	default:
		p.wrong.add(f.name, "expected in the body, got it in the query")
	}
}

func (p *params) integer(f *field, r *batch.Request) {
	s, ok := p.one(f.name)
	if !ok {
		return
	}
	n, err := f.parse(s)
	switch {
	case err != nil:
		p.wrong.add(f.name, "%v", err)
	case s[0] == '0':
		p.wrong.add(f.name, "expected no zeros in front, got %s", short(s))
	default:
		f.integer(r, n)
	}
}

// file notes what is wrong with the file, or returns the error if it is about something else.
func (p *params) file(err error) error {
	if e, ok := errors.AsType[*batch.InvalidError](err); ok {
		for _, f := range e.Fields {
			p.wrong.add(f.Path, "%s", f.Message)
		}
		return nil
	}
	e, ok := errors.AsType[*csvfile.InvalidError](err)
	if !ok {
		return err
	}
	for _, x := range e.Problems {
		if !p.wrong.full() {
			p.wrong.add(csvPath(x), "%s", csvMessage(x))
		}
	}
	return nil
}

func csvPath(x csvfile.Problem) string {
	switch {
	case x.Line == 0:
		return recipientsField
	case x.Column == "":
		return fmt.Sprintf(csvLine+"%d", x.Line)
	}
	return fmt.Sprintf(csvLine+"%d, column %s", x.Line, clip(x.Column, maxName))
}

func csvMessage(x csvfile.Problem) string {
	if x.Hint == "" {
		return x.Message
	}
	return x.Message + ". " + x.Hint
}

// The most lines and separators that a file may have, by which a row or a cell of nothing
// costs memory. They are many times what a batch has use for.
const (
	maxCSVLines      = 100_000
	maxCSVSeparators = 1_000_000
)

// csvGuard ends a file that would cost much more memory than it is long.
type csvGuard struct {
	io.Reader

	lines, separators int
}

func (g *csvGuard) Read(b []byte) (int, error) {
	n, err := g.Reader.Read(b)
	for _, c := range b[:n] {
		switch c {
		case '\n', '\r':
			g.lines++
		case ',', ';', '\t':
			g.separators++
		}
	}
	switch {
	case g.lines > 2*maxCSVLines: // a line break may be two characters
		return 0, tooMany("lines", maxCSVLines)
	case g.separators > maxCSVSeparators:
		return 0, tooMany("separators", maxCSVSeparators)
	}
	return n, err
}

func tooMany(what string, most int) error {
	return &batch.InvalidError{Fields: []batch.FieldError{{
		Path: recipientsField, Message: fmt.Sprintf("expected a file of at most %d %s", most, what),
	}}}
}

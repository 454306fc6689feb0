package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/outdial/outdial/batch/csvfile"
)

// The most columns that metadata gets, and the most bytes of their names. Every row has every
// column, so 5,000 recipients with keys of their own would make a file of gigabytes.
const (
	maxColumns     = 1000
	maxColumnBytes = 64 << 10
)

// columns are the keys of all metadata of a batch, in the order of their appearance.
type columns struct {
	names []string
	known map[string]bool
	bytes int
	many  bool // too many: the metadata gets one column, as the JSON that it is
}

// learn adds the keys of an object.
func (c *columns) learn(metadata json.RawMessage) error {
	if len(metadata) == 0 || c.many {
		return nil
	}
	d := jsontext.NewDecoder(bytes.NewReader(metadata), jsontext.AllowDuplicateNames(true))
	if _, err := d.ReadToken(); err != nil {
		return fmt.Errorf("reading metadata: %w", err)
	}
	for d.PeekKind() != jsontext.KindEndObject {
		t, err := d.ReadToken()
		if err != nil {
			return fmt.Errorf("reading metadata: %w", err)
		}
		c.add(t.String())
		if err := d.SkipValue(); err != nil {
			return fmt.Errorf("reading metadata: %w", err)
		}
	}
	return nil
}

func (c *columns) add(name string) {
	if c.many || c.known[name] {
		return
	}
	c.names, c.known[name] = append(c.names, name), true
	c.bytes += len(name)
	c.many = len(c.names) > maxColumns || c.bytes > maxColumnBytes
}

// table writes results in pieces. What csvfile writes begins with the columns, which it finds in
// the rows. So each piece begins with a row that has them all, and this beginning, which is
// the same each time, is taken off again.
type table struct {
	style csvfile.Style
	whole bool           // the metadata has one column
	shape csvfile.Result // the row that has all columns
	taken int            // bytes of the columns and that row
}

// wholeColumn is where metadata stands that has no columns of its own.
const wholeColumn = "metadata"

// begin writes the columns.
func (c *columns) begin(w io.Writer, style csvfile.Style) (table, error) {
	t := table{style: style, whole: c.many}
	names := c.names
	if t.whole {
		names = []string{wholeColumn}
	}
	t.shape.Metadata = emptyValues(names)
	var once, twice bytes.Buffer
	err := errors.Join(
		csvfile.WriteResults(&once, []csvfile.Result{t.shape}, style),
		csvfile.WriteResults(&twice, []csvfile.Result{t.shape, t.shape}, style))
	if err != nil {
		return t, err
	}
	t.taken = once.Len()
	row := twice.Len() - once.Len()
	_, err = w.Write(once.Bytes()[:once.Len()-row])
	return t, err
}

// emptyValues is an object with those keys, nil for none.
func emptyValues(names []string) json.RawMessage {
	if len(names) == 0 {
		return nil
	}
	b, comma := []byte(nil), byte('{')
	for _, name := range names {
		b = append(appendString(append(b, comma), name), `:""`...)
		comma = ','
	}
	return append(b, '}')
}

// write adds rows.
func (t table) write(w io.Writer, rows []csvfile.Result) error {
	if t.whole {
		for i := range rows {
			rows[i].Metadata = whole(rows[i].Metadata)
		}
	}
	return csvfile.WriteResults(&behind{Writer: w, skip: t.taken}, slices.Insert(rows, 0, t.shape), t.style)
}

func whole(metadata json.RawMessage) json.RawMessage {
	if len(metadata) == 0 {
		return nil
	}
	b := append(json.RawMessage(nil), `{"`+wholeColumn+`":`...)
	return append(append(b, metadata...), '}')
}

// behind leaves out the first bytes that are written to it.
type behind struct {
	io.Writer

	skip int
}

func (b *behind) Write(p []byte) (int, error) {
	n := min(b.skip, len(p))
	b.skip -= n
	if n == len(p) {
		return n, nil
	}
	m, err := b.Writer.Write(p[n:])
	return n + m, err
}

package csvfile

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/outdial/outdial/dialer"
)

// metadataPrefix marks a metadata column whose name is also one of WriteResults' own.
const metadataPrefix = "metadata."

// resultColumns are the columns before the metadata. Read knows a results file by them.
func resultColumns() []string {
	return []string{
		numberColumn, "status", "end_reason", "error_message", "attempts", "call_id", "recipient_id",
		"dispatched_at", "rang_at", "started_at", "ended_at", "carrier",
	}
}

// Result is what became of one recipient.
type Result struct {
	To          dialer.Phone
	Status      string
	EndReason   string
	Error       string
	Attempts    int
	CallID      string // the latest call, whose times these are; zero times did not happen
	RecipientID string
	Dispatched  time.Time
	Rang        time.Time
	Started     time.Time
	Ended       time.Time
	Carrier     string
	Metadata    json.RawMessage // a JSON object, or nil
}

// Style says who will read a results file.
type Style uint8

// The styles.
const (
	ForSpreadsheets Style = iota // no cell can be taken for a formula
	ForPrograms                  // every cell as it is
)

// WriteResults writes one row for each result, in their order. Each key of the metadata
// gets a column; times are in UTC, as RFC 3339 writes them.
func WriteResults(w io.Writer, results []Result, style Style) error {
	cells := make([][]member, len(results))
	var names []string
	known := map[string]int{}
	for i, r := range results {
		var err error
		if cells[i], err = members(r.Metadata); err != nil {
			return err
		}
		for _, m := range cells[i] {
			if _, ok := known[m.name]; !ok {
				known[m.name] = len(names)
				names = append(names, m.name)
			}
		}
	}
	out := csv.NewWriter(w)
	rows := rowWriter{out: out, style: style, columns: known}
	rows.header(names)
	for i, r := range results {
		rows.row(r, cells[i])
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	return nil
}

type rowWriter struct {
	out     *csv.Writer
	style   Style
	columns map[string]int // of the metadata
}

func (w rowWriter) header(names []string) {
	row := resultColumns()
	for _, name := range names {
		if name == "" || slices.Contains(resultColumns(), name) || strings.HasPrefix(name, metadataPrefix) {
			name = metadataPrefix + name
		}
		row = append(row, name)
	}
	w.write(row)
}

func (w rowWriter) row(r Result, metadata []member) {
	row := []string{
		string(r.To), r.Status, r.EndReason, r.Error, strconv.Itoa(r.Attempts), r.CallID, r.RecipientID,
		stamp(r.Dispatched), stamp(r.Rang), stamp(r.Started), stamp(r.Ended), r.Carrier,
	}
	fixed := len(row)
	row = append(row, make([]string, len(w.columns))...)
	for _, m := range metadata {
		row[fixed+w.columns[m.name]] = m.value
	}
	w.write(row)
}

// write leaves errors to the csv.Writer, which keeps the first one.
func (w rowWriter) write(row []string) {
	if w.style == ForSpreadsheets {
		for i := range row {
			row[i] = disarm(row[i])
		}
	}
	_ = w.out.Write(row)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

package contracttest

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// story is requests that follow each other.
type story struct {
	name string
	rows []row
}

// row is one request, and what it must be answered with.
type row struct {
	name    string
	request request
	want    want
}

// teller runs a story. It remembers what the <names> in it stand for.
type teller struct {
	Harness

	variables map[string]string
	bodies    map[string][]byte
}

func (s story) run(t *testing.T, h Harness) {
	t.Helper()
	teller := &teller{Harness: h, variables: h.variables(time.Now()), bodies: map[string][]byte{}}
	for _, r := range s.rows {
		if !t.Run(r.name, func(t *testing.T) { teller.tell(t, r) }) && r.want.needed() {
			return // what follows makes no sense without it
		}
	}
}

// patience is how long a row waits for what must come to pass.
const patience = 20 * time.Second

func (s *teller) tell(t *testing.T, r row) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		got, err := s.send(t.Context(), r.request, r.want.events)
		if err != nil {
			t.Fatalf("%s %s: %v", r.request.method, r.request.path, err)
		}
		problems := append(got.promises(r.request.method), s.judge(r.want, got)...)
		if len(problems) == 0 {
			s.remember(r.want, got)
			if r.want.patient || r.want.last {
				rest(t) // so that what comes next has another time
			}
			return
		}
		if !r.want.patient || time.Now().After(deadline) {
			t.Fatalf("%s %s\n%s\n%s", r.request.method, s.fill(r.request.path), strings.Join(problems, "\n"), got)
		}
		rest(t)
	}
}

// rest waits before asking again.
func rest(t *testing.T) {
	t.Helper()
	timer := time.NewTimer(20 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// fill puts in what names stand for: <batch> becomes the id of the batch that was saved as batch.
// What was not saved stays, which fails with a look at it.
func (s *teller) fill(text string) string {
	if !strings.Contains(text, "<") {
		return text
	}
	var pairs []string
	for name, value := range maps.All(s.variables) {
		pairs = append(pairs, "<"+name+">", value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func (s *teller) remember(w want, got answer) {
	for name, path := range w.saves {
		s.variables[name] = text(got.at(path))
	}
	if w.saveBody != "" {
		s.bodies[w.saveBody] = got.body
	}
	if w.saveLastID != "" {
		s.variables[w.saveLastID] = got.lastEventID()
	}
}

// each is a row for each value, by its name.
func each(values map[string]string, with func(value string) (request, want)) []row {
	rows := make([]row, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		r, w := with(values[name])
		rows = append(rows, row{name, r, w})
	}
	return rows
}

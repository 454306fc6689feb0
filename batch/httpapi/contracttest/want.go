package contracttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fields are what an answer must have, by path: data.0.id. The values are JSON, in which <names>
// are filled in, or one of those below.
type fields map[string]string

const (
	present = "present" // any value
	absent  = "absent"  // the answer has no such field
)

// want is what a request must be answered with.
type want struct {
	status int
	code   string   // error_code
	paths  []string // of errors, all of them
	fields fields

	header   map[string]string
	contains []string // of the body
	lacks    []string

	patient bool // the request is repeated until the answer is like this
	last    bool // what comes next is to have another time
	events  int  // how many are read of a stream

	saves      map[string]string // fields by the name under which they are remembered
	saveBody   string
	sameBody   string // name of the body that it must equal byte for byte
	saveLastID string // of the last event
}

// answers wants success.
func answers(status int, f fields) want { return want{status: status, fields: f} }

// refused wants an error, and of a 400 that it names exactly these fields.
func refused(status int, code string, paths ...string) want {
	return want{status: status, code: code, paths: paths}
}

// invalid wants a 400 that names exactly these fields.
func invalid(paths ...string) want { return refused(400, "invalid_request", paths...) }

func (w want) save(name, path string) want {
	w.saves = maps.Clone(w.saves)
	if w.saves == nil {
		w.saves = map[string]string{}
	}
	w.saves[name] = path
	return w
}

func (w want) until() want {
	w.patient = true
	return w
}

// apart has what comes next happen in another millisecond, by which lists are in order.
func (w want) apart() want {
	w.last = true
	return w
}

func (w want) saveAs(name string) want {
	w.saveBody = name
	return w
}

func (w want) same(name string) want {
	w.sameBody = name
	return w
}

// withHeader wants a header with this value; an empty one wants it left out.
func (w want) withHeader(name, value string) want {
	w.header = maps.Clone(w.header)
	if w.header == nil {
		w.header = map[string]string{}
	}
	w.header[name] = value
	return w
}

func (w want) containing(texts ...string) want {
	w.contains = texts
	return w
}

func (w want) lacking(texts ...string) want {
	w.lacks = texts
	return w
}

// needed says that later rows depend on this one.
func (w want) needed() bool {
	return len(w.saves) > 0 || w.saveBody != "" || w.patient || w.saveLastID != ""
}

// judge tells in what the answer differs.
func (s *teller) judge(w want, got answer) []string {
	var wrong []string
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if got.status != w.status {
		add("status %d, want %d", got.status, w.status)
	}
	if w.code != "" && text(got.at("error_code")) != w.code {
		add("error_code %s, want %q", got.at("error_code"), w.code)
	}
	if paths := got.errorPaths(); len(w.paths) > 0 && !slices.Equal(paths, w.paths) {
		add("errors at %q, want %q", paths, w.paths)
	}
	for _, path := range slices.Sorted(maps.Keys(w.fields)) {
		if p := s.judgeField(w.fields[path], got.at(path)); p != "" {
			add("%s %s", path, p)
		}
	}
	return append(wrong, s.judgeText(w, got)...)
}

func (s *teller) judgeField(want string, got json.RawMessage) string {
	switch want {
	case present:
		if got == nil {
			return "is not there"
		}
		return ""
	case absent:
		if got != nil {
			return fmt.Sprintf("is there: %s", got)
		}
		return ""
	}
	want = s.fill(want)
	var plain bytes.Buffer
	if got == nil || json.Compact(&plain, got) != nil || plain.String() != want {
		return fmt.Sprintf("is %s, want %s", got, want)
	}
	return ""
}

func (s *teller) judgeText(w want, got answer) []string {
	var wrong []string
	for name, value := range w.header {
		if have := strings.Join(got.header.Values(name), "|"); have != s.fill(value) {
			wrong = append(wrong, fmt.Sprintf("header %s is %q, want %q", name, have, s.fill(value)))
		}
	}
	for _, text := range w.contains {
		if !strings.Contains(string(got.body), s.fill(text)) {
			wrong = append(wrong, fmt.Sprintf("the body does not contain %q", s.fill(text)))
		}
	}
	for _, text := range w.lacks {
		if strings.Contains(string(got.body), s.fill(text)) {
			wrong = append(wrong, fmt.Sprintf("the body contains %q", s.fill(text)))
		}
	}
	if w.sameBody != "" && !bytes.Equal(got.body, s.bodies[w.sameBody]) {
		wrong = append(wrong, fmt.Sprintf("the body is not what it was before:\n%s", s.bodies[w.sameBody]))
	}
	return wrong
}

// and wants these fields too.
func (w want) and(f fields) want {
	w.fields = maps.Clone(w.fields)
	if w.fields == nil {
		w.fields = fields{}
	}
	maps.Copy(w.fields, f)
	return w
}

// lastID remembers the id of the last event.
func (w want) lastID(name string) want {
	w.saveLastID = name
	return w
}

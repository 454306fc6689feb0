package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/outdial/outdial/batch"
)

// mostCounted is how many mistakes are counted beside those that an answer lists, of which
// nothing but their number is kept: a body of nothing but mistakes costs no memory.
const mostCounted = 10_000

// wrong gathers what is wrong with a request.
type wrong struct {
	fields []batch.FieldError // at most maxErrors
	more   int
}

func (w *wrong) add(path, format string, args ...any) {
	if w.full() {
		return
	}
	w.fields = append(w.fields, batch.FieldError{Path: path, Message: fmt.Sprintf(format, args...)})
}

// full counts another mistake if there is no room for it. Who asks first need not put the
// path together.
func (w *wrong) full() bool {
	if len(w.fields) < maxErrors {
		return false
	}
	w.more = min(w.more+1, mostCounted)
	return true
}

// err is nil where nothing is wrong. It has an empty entry for each mistake that was
// only counted.
func (w *wrong) err() error {
	if len(w.fields) == 0 {
		return nil
	}
	order := fieldNames(createFields(version202608))
	slices.SortStableFunc(w.fields, func(a, b batch.FieldError) int {
		rootA, indexA := root(a.Path)
		rootB, indexB := root(b.Path)
		return cmp.Or(slices.Index(order, rootA)-slices.Index(order, rootB), indexA-indexB)
	})
	return &batch.InvalidError{Fields: append(w.fields, make([]batch.FieldError, w.more)...)}
}

// root is the field of the request that a path leads into, and the index if it is a list.
func root(path string) (name string, index int) {
	if strings.HasPrefix(path, csvLine) {
		return recipientsField, none
	}
	name, rest, _ := strings.Cut(path, "[")
	digits, _, _ := strings.Cut(rest, "]")
	index, err := strconv.Atoi(digits)
	if err != nil {
		return name, none
	}
	return name, index
}

// all adds to what was found wrong with a body what the engine says about the rest of it, so
// that a client hears of everything at once. Nil for nil: then the engine will say it.
func (a *api) all(ctx context.Context, org string, r batch.Request, found error) error {
	known, ok := errors.AsType[*batch.InvalidError](found)
	if !ok {
		return found
	}
	rest, ok := errors.AsType[*batch.InvalidError](a.cfg.Engine.Check(ctx, org, r))
	if !ok {
		return found
	}
	return joined(known.Fields, rest.Fields)
}

// joined leaves out of rest what concerns a field of which known tells something already: it
// was not decoded, so the engine has not seen it.
func joined(known, rest []batch.FieldError) error {
	listed := min(len(known), maxErrors)
	w := wrong{fields: slices.Clone(known[:listed]), more: len(known) - listed}
	for _, f := range rest {
		told := slices.ContainsFunc(w.fields[:listed], func(k batch.FieldError) bool { return covers(k.Path, f.Path) })
		if !told {
			w.add(f.Path, "%s", f.Message)
		}
	}
	return w.err()
}

// covers says that what is wrong at path explains what would be wrong at other.
func covers(path, other string) bool {
	if strings.HasPrefix(path, csvLine) {
		path = recipientsField
	}
	if len(other) < len(path) || !strings.EqualFold(other[:len(path)], path) {
		return false
	}
	return len(other) == len(path) || other[len(path)] == '[' || other[len(path)] == '.'
}

// unreadable is the answer to a body of which decoding could not go on.
func unreadable(err error) error {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		if p := bodyProblem(err); p != nil {
			return p
		}
		return fmt.Errorf("reading the body: %w", err)
	}
	what := strings.TrimPrefix(syntax.Err.Error(), "jsontext: ")
	if errors.Is(syntax.Err, io.ErrUnexpectedEOF) {
		what = "it ends too early"
	}
	where := ""
	if syntax.JSONPointer != "" {
		where = " within " + short(string(syntax.JSONPointer))
	}
	return invalidJSON("The body is not JSON: %s, at byte %d%s.", what, syntax.ByteOffset, where)
}

func invalidJSON(format string, args ...any) *problem {
	return &problem{
		status: http.StatusBadRequest, code: CodeInvalidJSON, title: "Invalid JSON",
		message: fmt.Sprintf(format, args...),
	}
}

// short quotes what a client sent, as much of it as is needed to find it.
func short(s string) string { return strconv.Quote(clip(s, maxName)) }

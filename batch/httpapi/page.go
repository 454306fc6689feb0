package httpapi

import (
	"net/http"
	"time"

	"github.com/outdial/outdial/batch"
)

// Lists are asked for one more row than the page may have, to learn whether it is the last page.

// more is the limit to ask the engine for.
func (p part) more() int { return p.limit + 1 }

// trim takes off the row too many, which is the one that is furthest from the cursor.
func trim[T any](p part, rows []T) (shown []T, more bool) {
	switch {
	case len(rows) <= p.limit:
		return rows, false
	case p.before != "":
		return rows[1:], true
	}
	return rows[:p.limit], true
}

// next is the id to ask for the next page with, in the direction that was asked for.
func next[T any](p part, rows []T, more bool, id func(T) string) string {
	switch {
	case !more:
		return ""
	case p.before != "":
		return id(rows[0])
	}
	return id(rows[len(rows)-1])
}

// replyList answers with a page of rows, of which there may be one too many.
func replyList[T any](w http.ResponseWriter, p part, rows []T, id func(T) string, add func([]byte, T) []byte) error {
	rows, more := trim(p, rows)
	b := []byte(listHead)
	for i, row := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = add(b, row)
	}
	return reply(w, http.StatusOK, appendListTail(b, next(p, rows, more, id)))
}

const listHead = `{"data":[`

// appendListTail ends a list. Empty: it is the last page.
func appendListTail(b []byte, next string) []byte {
	if next == "" {
		return append(b, `],"next_page":null,"has_more":false}`...)
	}
	b = appendString(append(b, `],"next_page":`...), next)
	return append(b, `,"has_more":true}`...)
}

// cursor is the id that the page stands next to, with the parameter that it came in. Empty:
// the page is the first one.
func (p part) cursor() (param, id string) {
	if p.before != "" {
		return beforeParam, p.before
	}
	return afterParam, p.after
}

// noEntry refuses a cursor. What does not exist and what is somebody else's get the same words.
func noEntry(param string) error {
	return invalid(batch.FieldError{Path: param, Message: "expected the id of an entry of this list"})
}

// atLeast and atMost are the bounds of times that are kept in microseconds.
func atLeast(t time.Time) time.Time {
	if whole := t.Truncate(time.Microsecond); !whole.Equal(t) {
		return whole.Add(time.Microsecond)
	}
	return t
}

func atMost(t time.Time) time.Time { return t.Truncate(time.Microsecond) }

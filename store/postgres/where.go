package postgres

import (
	"strconv"
	"strings"
)

// args are the arguments of a text that is put together.
type args []any

// add returns the parameter that stands for a value.
func (a *args) add(value any) string {
	*a = append(*a, value)
	return "$" + strconv.Itoa(len(*a))
}

// newArgs begins with the two parameters that the condition ofOrg takes, which are the same in every query.
func newArgs(org string) *args { return &args{orgKey(org), raw(org)} }

// where collects conditions.
type where struct {
	*args

	text strings.Builder
}

func (a *args) where() *where { return &where{args: a} }

// and adds a condition. Each question mark in it stands for a value.
func (w *where) and(condition string, values ...any) {
	if w.text.Len() == 0 {
		w.text.WriteString(" WHERE ")
	} else {
		w.text.WriteString(" AND ")
	}
	for _, v := range values {
		before, after, _ := strings.Cut(condition, "?")
		w.text.WriteString(before + w.add(v))
		condition = after
	}
	w.text.WriteString(condition)
}

// limit is what LIMIT takes: NULL for none.
func (a *args) limit(n int) string {
	if n <= 0 {
		return ""
	}
	return " LIMIT " + a.add(int64(n))
}

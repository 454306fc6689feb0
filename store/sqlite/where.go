package sqlite

import "strings"

// where collects conditions and their arguments.
type where struct {
	text strings.Builder
	args []any
}

// and adds a condition whose question marks stand for args, in their order.
func (w *where) and(condition string, args ...any) {
	if w.text.Len() == 0 {
		w.text.WriteString(" WHERE ")
	} else {
		w.text.WriteString(" AND ")
	}
	w.text.WriteString(condition)
	w.args = append(w.args, args...)
}

// in adds that a column has one of the values, unless there are none.
func in[T any](w *where, column string, values []T, arg func(T) (any, error)) error {
	if len(values) == 0 {
		return nil
	}
	args := make([]any, len(values))
	for i, v := range values {
		a, err := arg(v)
		if err != nil {
			return err
		}
		args[i] = a
	}
	w.and(column+" IN (?"+strings.Repeat(", ?", len(args)-1)+")", args...)
	return nil
}

// limit is what LIMIT takes: SQLite's own word for none is -1.
func limit(n int) int {
	if n <= 0 {
		return -1
	}
	return n
}

const orgKey = "(SELECT key FROM organisations WHERE id = ?)"

// page adds the bounds of a list that runs newest first, and returns its ORDER BY. The page just
// before an id is walked towards the newer ones.
func (w *where) page(column, after, before string) (order string) {
	if after != "" {
		w.and(column+" < ?", after)
	}
	if before == "" {
		return " ORDER BY " + column + " DESC"
	}
	w.and(column+" > ?", before)
	return " ORDER BY " + column
}

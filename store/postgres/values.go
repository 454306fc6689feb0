package postgres

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// text is a string in a column of bytes.
type text string

var _ pgtype.BytesScanner = (*text)(nil)

// ScanBytes implements pgtype.BytesScanner.
func (t *text) ScanBytes(data []byte) error {
	*t = text(data)
	return nil
}

// raw is what a column of bytes takes. It is never nil, which would be NULL.
func raw[S ~string](s S) []byte { return []byte(s) }

func raws[S ~string](list []S) [][]byte {
	out := make([][]byte, len(list))
	for i, s := range list {
		out[i] = raw(s)
	}
	return out
}

// rawsOrNull is NULL for none, so that none is read again as nil.
func rawsOrNull(list []string) [][]byte {
	if len(list) == 0 {
		return nil
	}
	return raws(list)
}

func unraw(list [][]byte) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, data := range list {
		out[i] = string(data)
	}
	return out
}

// instant is a time in a column, NULL for the zero time.
type instant time.Time

var _ pgtype.TimestamptzScanner = (*instant)(nil)

// ScanTimestamptz implements pgtype.TimestamptzScanner.
func (t *instant) ScanTimestamptz(v pgtype.Timestamptz) error {
	*t = instant{}
	if v.Valid {
		*t = instant(v.Time.UTC())
	}
	return nil
}

// moment is what an instant reads.
func moment(t time.Time) pgtype.Timestamptz { return pgtype.Timestamptz{Time: t, Valid: !t.IsZero()} }

// whole is a time as it comes back from a column.
func whole(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// momentUp is the first instant of a column that is not before t.
func momentUp(t time.Time) pgtype.Timestamptz {
	if t.IsZero() {
		return pgtype.Timestamptz{}
	}
	return moment(t.Add(time.Microsecond - 1).Truncate(time.Microsecond))
}

// array is a list in a parameter. Its elements are encoded where they lie, if a pointer to one says what it is; pgx
// puts a copy of each of them on the heap otherwise.
type array[E any] []E

var (
	_ pgtype.ArrayGetter = array[number]{}
	_ pgtype.TextValuer  = array[number]{}
)

// Dimensions implements pgtype.ArrayGetter.
func (a array[E]) Dimensions() []pgtype.ArrayDimension {
	if a == nil {
		return nil
	}
	return []pgtype.ArrayDimension{{Length: int32(len(a)), LowerBound: 1}} //nolint:gosec // of one step's rows
}

// Index implements pgtype.ArrayGetter.
func (a array[E]) Index(i int) any { return &a[i] }

// IndexType implements pgtype.ArrayGetter.
func (a array[E]) IndexType() any { return new(E) }

// TextValue implements pgtype.TextValuer. Where pgx does not ask the server for the type of a parameter
// (QueryExecModeExec), it sends this text, and the server reads it as the statement says.
func (a array[E]) TextValue() (pgtype.Text, error) {
	if a == nil {
		return pgtype.Text{}, nil
	}
	list := make([]string, len(a))
	for i := range a {
		list[i] = literal(&a[i])
	}
	return pgtype.Text{String: "{" + strings.Join(list, ",") + "}", Valid: true}, nil
}

// literal is an element as it stands in the text of an array.
func literal(element any) string {
	switch e := element.(type) {
	case *blob:
		return literal((*[]byte)(e))
	case *[]byte:
		if *e == nil {
			return "NULL"
		}
		return `"\\x` + hex.EncodeToString(*e) + `"`
	case *pgtype.Timestamptz:
		if !e.Valid {
			return "NULL"
		}
		return `"` + e.Time.UTC().Format("2006-01-02 15:04:05.999999Z07:00") + `"`
	}
	return fmt.Sprint(reflect.ValueOf(element).Elem()) // a number or a boolean
}

// number is an element of an array of whole numbers, however wide those are.
type number int64

// Int64Value implements pgtype.Int64Valuer.
func (n *number) Int64Value() (pgtype.Int8, error) {
	return pgtype.Int8{Int64: int64(*n), Valid: true}, nil
}

// blob is an element of an array of bytes, nil for NULL.
type blob []byte

// BytesValue implements pgtype.BytesValuer.
func (b *blob) BytesValue() ([]byte, error) { return *b, nil }

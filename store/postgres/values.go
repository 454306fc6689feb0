package postgres

import (
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

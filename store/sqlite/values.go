package sqlite

import (
	"errors"
	"fmt"
	"time"
)

// instant is a time in a column: microseconds since 1970, NULL for the zero time.
type instant time.Time

var errColumn = errors.New("a column has a value of an unexpected type")

// Scan implements sql.Scanner.
func (t *instant) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*t = instant{}
	case int64:
		*t = instant(time.UnixMicro(v).UTC())
	default:
		return fmt.Errorf("%w: %T for a time", errColumn, value)
	}
	return nil
}

// asStored is a time as it is read again.
func asStored(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// micros is what an instant reads.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

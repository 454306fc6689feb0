package sqlite

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
)

// What package database/sql would convert, for the few types that the statements of the writer have.

var errArgument = errors.New("an argument has a type that no column is given")

// argument is a value as the driver takes it.
func argument(arg any) (driver.Value, error) {
	switch v := arg.(type) {
	case nil, int64, string, []byte, bool:
		return v, nil
	case int:
		return int64(v), nil
	case int16:
		return int64(v), nil
	default:
		return nil, fmt.Errorf("%w: %T", errArgument, arg)
	}
}

// assign writes a value of a column to a place, which is a pointer. A column that can be NULL is scanned by a
// sql.Scanner or as bytes.
func assign(place any, value driver.Value) error {
	switch p := place.(type) {
	case *int64:
		return assignNumber(p, value, math.MinInt64, math.MaxInt64)
	case *int:
		return assignNumber(p, value, math.MinInt, math.MaxInt)
	case *int16:
		return assignNumber(p, value, math.MinInt16, math.MaxInt16)
	case *uint8:
		return assignNumber(p, value, 0, math.MaxUint8)
	case *bool:
		n, ok := value.(int64)
		*p = n != 0
		return unless(ok, place, value)
	case *string:
		text, ok := value.(string)
		*p = text
		return unless(ok, place, value)
	case *[]byte:
		data, ok := value.([]byte)
		*p = data
		return unless(ok || value == nil, place, value)
	case sql.Scanner:
		return p.Scan(value) //nolint:wrapcheck // it is ours
	default:
		return unless(false, place, value)
	}
}

func assignNumber[T int64 | int | int16 | uint8](place *T, value driver.Value, least, most int64) error {
	n, ok := value.(int64)
	ok = ok && n >= least && n <= most
	if ok {
		*place = T(n)
	}
	return unless(ok, place, value)
}

// unless is an error that tells no value, which may be somebody's number.
func unless(ok bool, place any, value driver.Value) error {
	if ok {
		return nil
	}
	return fmt.Errorf("%w: %T for %T", errColumn, value, place)
}

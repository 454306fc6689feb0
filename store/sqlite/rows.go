package sqlite

import (
	"errors"
	"fmt"
)

// collect reads all rows with one, and closes them. It takes the result of a query as it is.
func collect[T any](rows *rows, err error, one func(scan func(...any) error) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	var out []T
	for rows.Next() {
		item, err := one(rows.Scan)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("scan: %w", err), rows.Close())
		}
		out = append(out, item)
	}
	// Errors of the statement come out here, not from Next.
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	return out, nil
}

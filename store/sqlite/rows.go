package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
)

// collect reads all rows with one, and closes them. It takes the result of a query as it is.
func collect[T any](rows *sql.Rows, err error, one func(scan func(...any) error) (T, error)) ([]T, error) {
	return collectSome(rows, err, 0, func(scan func(...any) error) (T, bool, error) {
		item, err := one(scan)
		return item, true, err
	})
}

// collectSome reads rows until it has as many as limit of those that are wanted; 0 for all.
func collectSome[T any](
	rows *sql.Rows, err error, limit int, one func(scan func(...any) error) (item T, wanted bool, err error),
) ([]T, error) {
	if err != nil {
		return nil, err
	}
	var out []T
	for (limit <= 0 || len(out) < limit) && rows.Next() {
		item, wanted, err := one(rows.Scan)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("scan: %w", err), rows.Close())
		}
		if wanted {
			out = append(out, item)
		}
	}
	// Errors of the statement come out here, not from Next.
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	return out, nil
}

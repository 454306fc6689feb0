package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/outdial/outdial/store"
)

// applicationID marks a file as this package's: "outd" in ASCII, in the header of the file.
const applicationID = 0x6f757464

var (
	errForeign     = errors.New("the file is the database of another program")
	errNotDatabase = errors.New("the file is no SQLite database")
)

// schemaVersion tells what the file is: 0 for a new one. It writes nothing, so that
// a file of another program stays as it is.
func schemaVersion(ctx context.Context, c *connection) (int, error) {
	var id, version, tables int
	const text = `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)`
	if _, err := c.find(ctx, text, nil, []any{&id, &version, &tables}); err != nil {
		return 0, fmt.Errorf("read the header: %w", err)
	}
	if id == 0 && version == 0 && tables == 0 {
		return 0, nil
	}
	if id != applicationID {
		return 0, errForeign
	}
	return version, nil
}

func checkSchema(version, known int) error {
	if version > known {
		return fmt.Errorf("it has schema %d, this version knows up to %d: %w", version, known, store.ErrNewerSchema)
	}
	return nil
}

// canonicalPath is the file's name with links resolved, which is the same for
// everybody who has the file open, however they called it.
func canonicalPath(ctx context.Context, c *connection) (string, error) {
	var path string
	_, err := c.find(ctx, "SELECT file FROM pragma_database_list WHERE name = 'main'", nil, []any{&path})
	if err != nil {
		return "", fmt.Errorf("ask for the file's name: %w", err)
	}
	return path, nil
}

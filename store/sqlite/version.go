package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Before this version, SQLite could lose pages that were committed when one connection
// began the write-ahead log anew while another was checkpointing it.
const minVersion = "3.51.3"

var errOldSQLite = errors.New("the SQLite library is older than " + minVersion +
	" and can lose committed data (WAL reset): update modernc.org/sqlite")

func checkLibrary(ctx context.Context, c *connection) error {
	var version string
	if _, err := c.find(ctx, "SELECT sqlite_version()", nil, []any{&version}); err != nil {
		return fmt.Errorf("ask for the version of SQLite: %w", err)
	}
	return checkVersion(version)
}

// checkVersion refuses what is older than minVersion, or cannot be read as a version.
func checkVersion(version string) error {
	got, err := parseVersion(version)
	if err != nil {
		return err
	}
	want, err := parseVersion(minVersion)
	if err != nil {
		return err
	}
	for i := range want {
		if got[i] != want[i] {
			if got[i] < want[i] {
				return fmt.Errorf("version %s: %w", version, errOldSQLite)
			}
			return nil
		}
	}
	return nil
}

func parseVersion(version string) (parts [3]int, err error) {
	fields := strings.SplitN(version, ".", len(parts))
	for i, field := range fields {
		if parts[i], err = strconv.Atoi(field); err != nil {
			return parts, fmt.Errorf("version %q of SQLite: %w", version, err)
		}
	}
	return parts, nil
}

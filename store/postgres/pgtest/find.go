package pgtest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// ErrMissing says that a program is not installed, and its text how to get it.
var ErrMissing = errors.New("is missing")

// serverFolders are where distributions keep the server's programs, which are not on the path.
//
//nolint:gochecknoglobals // a constant list
var serverFolders = []string{
	"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
	"/usr/pgsql-*/bin",          // the PostgreSQL project's packages for Red Hat
	"/usr/libexec/postgresql*",  // Alpine
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
	"/usr/local/pgsql/bin",
}

// FolderVariable is the environment variable that names the folder of initdb and postgres, where it is not to be the
// newest version that is installed.
const FolderVariable = "OUTDIAL_POSTGRES_BIN"

// findServer returns the folder of initdb and postgres.
func findServer() (string, error) {
	if folder := os.Getenv(FolderVariable); folder != "" {
		if !isProgram(filepath.Join(folder, "initdb")) {
			return "", fmt.Errorf("pgtest: postgres %w in %s, which %s names", ErrMissing, folder, FolderVariable)
		}
		return folder, nil
	}
	var found []string
	for _, pattern := range serverFolders {
		folders, err := filepath.Glob(pattern)
		if err != nil {
			return "", fmt.Errorf("pgtest: %w", err)
		}
		for _, folder := range folders {
			if isProgram(filepath.Join(folder, "initdb")) && isProgram(filepath.Join(folder, "postgres")) {
				found = append(found, folder)
			}
		}
	}
	if len(found) > 0 {
		return slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(version(a), version(b)) }), nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", fmt.Errorf("pgtest: postgres %w: apt-get install postgresql", ErrMissing)
}

func findPooler() (string, error) {
	for _, path := range []string{"pgbouncer", "/usr/sbin/pgbouncer", "/usr/local/sbin/pgbouncer", "/usr/bin/pgbouncer"} {
		if found, err := exec.LookPath(path); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("pgtest: pgbouncer %w: apt-get install pgbouncer", ErrMissing)
}

func isProgram(path string) bool {
	_, err := exec.LookPath(path)
	return err == nil
}

// version is the first number in a folder's name, 0 for none.
func version(folder string) int {
	for i := range len(folder) {
		end := i
		for end < len(folder) && folder[end] >= '0' && folder[end] <= '9' {
			end++
		}
		if n, err := strconv.Atoi(folder[i:end]); err == nil {
			return n
		}
	}
	return 0
}

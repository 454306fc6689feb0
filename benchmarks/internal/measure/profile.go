package measure

import (
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"strings"
)

// profile writes what the CPU does until stop into a file of the folder, which it makes. No folder: no profile.
func profile(folder, name string) (stop func() error, err error) {
	if folder == "" {
		return func() error { return nil }, nil
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	defer root.Close()
	file, err := root.Create(name)
	if err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(fmt.Errorf("profiles: %w", err), file.Close())
	}
	return func() error { pprof.StopCPUProfile(); return file.Close() }, nil
}

// profileName is that of a contender's profile.
func profileName(measure, contender string) string {
	plain := func(r rune) rune {
		if strings.ContainsRune(" ,:/", r) {
			return '_'
		}
		return r
	}
	return measure + "-" + strings.Map(plain, contender) + ".pprof"
}

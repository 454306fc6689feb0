package fsm

import (
	"fmt"
	"slices"
	"strings"
)

func name(names []string, i uint8) string {
	if int(i) < len(names) {
		return names[i]
	}
	return fmt.Sprintf("unknown(%d)", i)
}

func marshalName(what string, names []string, i uint8) ([]byte, error) {
	if int(i) >= len(names) {
		return nil, fmt.Errorf("fsm: no %s has the number %d", what, i)
	}
	return []byte(names[i]), nil
}

func parseName(what string, names []string, s string) (uint8, error) {
	i := slices.Index(names, s)
	if i < 0 {
		return 0, fmt.Errorf("fsm: %q is no %s: expected one of %s", s, what, strings.Join(names, ", "))
	}
	return uint8(i), nil //nolint:gosec // an index below 8
}

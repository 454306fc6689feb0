package sqlite

import (
	"fmt"
	"time"

	"github.com/outdial/outdial/store"
)

// zeros are what the lowest id of its time has for randomness.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// idsAround returns bounds of the ids that package store makes in the same millisecond, or in the one before or
// after: they are not below the first, and below the second. An empty one is no bound, for a time that ids
// cannot have.
func idsAround(t time.Time) (lowest, highest string, err error) {
	const leeway = time.Millisecond
	if lowest, err = lowestID(t.Add(-leeway)); err != nil {
		return "", "", err
	}
	highest, err = lowestID(t.Add(leeway + time.Millisecond))
	return lowest, highest, err
}

func lowestID(t time.Time) (string, error) {
	const latest = 1 << 48 // milliseconds
	if ms := t.UnixMilli(); ms < 0 || ms >= latest {
		return "", nil
	}
	ids, err := store.NewCallIDs(t.Truncate(time.Millisecond), zeros{}, 1)
	if err != nil {
		return "", fmt.Errorf("bound of ids: %w", err)
	}
	return ids[0], nil
}

// strays picks the ids that do not tell the time of their dispatch. Lists find those one by one.
func strays(claimed []store.Claimed, dispatched time.Time) ([]string, error) {
	lowest, highest, err := idsAround(dispatched)
	if err != nil {
		return nil, err
	}
	unknown := dispatched.IsZero() || lowest == "" || highest == ""
	var out []string
	for i := range claimed {
		id := claimed[i].Call.ID
		if unknown || id < lowest || id >= highest {
			out = append(out, id)
		}
	}
	return out, nil
}

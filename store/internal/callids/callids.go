// Package callids turns times into bounds of call ids, for the stores in databases: a list by time is then a range of
// the index that has the calls in the order of their ids, and needs none of its own.
package callids

import (
	"time"

	"github.com/outdial/outdial/store"
)

// Around returns bounds of the ids that package store makes in the millisecond of t, or in the one before or after:
// none of them is below first, all are below end. An empty one is no bound, for a time that ids cannot tell: they do
// from 1970 on for 2^48 milliseconds.
func Around(t time.Time) (first, end string) {
	const leeway = time.Millisecond
	return lowest(t.Add(-leeway)), lowest(t.Add(leeway + time.Millisecond))
}

func lowest(t time.Time) string {
	const latest = 1 << 48
	if ms := t.UnixMilli(); ms < 0 || ms >= latest {
		return ""
	}
	ids, err := store.NewCallIDs(t.Truncate(time.Millisecond), zeros{}, 1)
	if err != nil {
		return "" // there is no end of zeros; and without a bound a list is slow, but right
	}
	return ids[0]
}

// zeros are the randomness of the lowest id of its time.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Strays tells which ids were not made at the time of their call, so that no list by time finds them between its
// bounds. It is not safe for concurrent use.
type Strays struct {
	at         time.Time // of the latest one, since those of a step are at one time
	first, end string
}

// Has says whether the id of a call that was dispatched at a time is a stray. A call without a time is one.
func (s *Strays) Has(id string, at time.Time) bool {
	if !at.Equal(s.at) {
		s.at = at
		s.first, s.end = Around(at)
	}
	return s.first == "" || s.end == "" || id < s.first || id >= s.end
}

package sip

import (
	"sync/atomic"
	"time"
)

// seldom keeps a line that anybody may cause from filling the log: it may be written once a minute. The
// zero value is ready. It is safe for concurrent use.
type seldom struct{ next atomic.Int64 }

func (s *seldom) may() bool {
	now := time.Now()
	next := s.next.Load()
	return now.UnixNano() >= next && s.next.CompareAndSwap(next, now.Add(time.Minute).UnixNano())
}

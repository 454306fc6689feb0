package httpapi

import (
	"crypto/sha256"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiter lets each bucket have so many requests a second. It remembers the buckets that are
// not full: a full one is as good as a new one. So its memory is bounded by the keys that were
// in use lately, and keys that are let in exist.
type limiter struct {
	rate  rate.Limit
	burst int

	mu      sync.Mutex
	buckets map[bucket]*rate.Limiter
	swept   time.Time
}

// bucket is what requests are counted by.
type bucket struct {
	org        string
	credential [sha256.Size]byte
}

// sweepEvery is how often full buckets are looked for.
const sweepEvery = 10 * time.Second

// newLimiter returns nil where there is no limit.
func newLimiter(perSecond float64, burst int) *limiter {
	if perSecond <= 0 {
		return nil
	}
	return &limiter{rate: rate.Limit(perSecond), burst: burst, buckets: map[bucket]*rate.Limiter{}}
}

// take counts a request of b, and returns 0 or how long to wait before the next. A request that
// has to wait is not counted, or a client that never rests would never be served again.
func (l *limiter) take(b bucket, now time.Time) (wait time.Duration) {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep(now)
	tokens := l.buckets[b]
	if tokens == nil {
		tokens = rate.NewLimiter(l.rate, l.burst)
		l.buckets[b] = tokens
	}
	r := tokens.ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

func (l *limiter) sweep(now time.Time) {
	if now.Sub(l.swept) < sweepEvery {
		return
	}
	l.swept = now
	for b, tokens := range l.buckets {
		if tokens.TokensAt(now) >= float64(l.burst) {
			delete(l.buckets, b)
		}
	}
}

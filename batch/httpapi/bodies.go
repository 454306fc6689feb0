package httpapi

import (
	"math"
	"net/http"
	"sync"
	"time"
)

// bodies bounds how much of bodies is held at once, whoever sends it: a limit for each
// body alone is none for many. An organisation gets a share, so that no one can use up all of it.
type bodies struct {
	share int64 // of one organisation

	mu   sync.Mutex
	left int64               // of everything
	orgs map[string]*account // those with requests under way
}

// account is what an organisation may still hold.
type account struct {
	left     int64
	requests int
}

const (
	// ofAll is which part of everything one organisation may hold.
	ofAll = 4

	// weightOfFile is how often a file is held: as it came, and again as what it was read into.
	weightOfFile = 2

	// uncounted is how much of each body is not counted: as little costs no more than the
	// rest of its request. So a batch can be cancelled, or slowed down, whatever else is going on.
	uncounted = maxNoBody

	// crowdedFor is when to try again after others had no room to leave.
	crowdedFor = 5 * time.Second
)

func newBodies(cfg Config) *bodies {
	return &bodies{
		left:  cfg.MaxBodies,
		share: max(cfg.MaxBodies/ofAll, least(cfg.MaxBody)),
		orgs:  map[string]*account{},
	}
}

// least is what the largest body may come to.
func least(maxBody int64) int64 { return times(maxBody, weightOfFile) }

// times is the product, or the largest number where that is more.
func times(n, k int64) int64 {
	if n > math.MaxInt64/k {
		return math.MaxInt64
	}
	return n * k
}

// open is for a request, which holds nothing yet. It is to be closed when the request is over.
func (b *bodies) open(org string) *holding {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.orgs[org] == nil {
		b.orgs[org] = &account{left: b.share}
	}
	b.orgs[org].requests++
	return &holding{all: b, org: org, account: b.orgs[org], free: uncounted}
}

// holding is what a request holds of its body. It serves one goroutine. Nil has no limit.
type holding struct {
	all     *bodies
	org     string
	account *account
	free    int64
	held    int64
}

// take adds n bytes that came. False: there is no room for them.
func (h *holding) take(n int64) bool {
	if h == nil {
		return true
	}
	covered := min(n, h.free)
	h.free -= covered
	n -= covered
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	if n > h.account.left || n > h.all.left {
		return false
	}
	h.account.left -= n
	h.all.left -= n
	h.held += n
	return true
}

// close gives everything back.
func (h *holding) close() {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	h.account.left += h.held
	h.all.left += h.held
	if h.account.requests--; h.account.requests == 0 {
		delete(h.all.orgs, h.org)
	}
}

func overloaded() *problem {
	return &problem{
		status: http.StatusServiceUnavailable, code: CodeOverloaded, title: "Overloaded",
		message: "Too many large bodies are being sent at this moment. Nothing was done: " +
			"repeat the request when Retry-After says.",
		retryAfter: crowdedFor, closing: true,
	}
}

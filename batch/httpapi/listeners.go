package httpapi

import (
	"net/http"
	"sync"
	"time"
)

// listeners counts those to events, each of which keeps a connection and its buffers for as long
// as it likes.
type listeners struct {
	most int // of one organisation

	mu   sync.Mutex
	orgs map[string]int
}

func newListeners(most int) *listeners { return &listeners{most: most, orgs: map[string]int{}} }

// join counts one in until leave is called, or refuses it.
func (l *listeners) join(org string) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.orgs[org] >= l.most {
		return nil, tooManyListeners()
	}
	l.orgs[org]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.orgs[org]--; l.orgs[org] == 0 {
			delete(l.orgs, org)
		}
	}, nil
}

func tooManyListeners() *problem {
	return &problem{
		status: http.StatusTooManyRequests, code: CodeRateLimited, title: "Too many listeners",
		message:    "The organisation listens to events as often as it may. End one of the requests that do, or share one.",
		retryAfter: 10 * time.Second,
	}
}

package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

type engineOf func(context.Context) error

func (f engineOf) Ready(ctx context.Context) error { return f(ctx) }

func TestProbes(t *testing.T) {
	t.Parallel()
	stopping := errors.New("batch: the engine is stopping")
	broken := fmt.Errorf("batch: the store does not answer: %w", errors.New("dial tcp 10.0.0.7:5432: refused"))
	for _, test := range []struct {
		probe  http.Handler
		status int
		body   string
	}{
		{Healthz(), 200, `{"ready":true}`},
		{Readyz(engineOf(func(context.Context) error { return nil })), 200, `{"ready":true}`},
		{Readyz(engineOf(func(context.Context) error { return stopping })), 503, `{"ready":false,"reason":"the engine is stopping"}`},
		{Readyz(engineOf(func(context.Context) error { return broken })), 503, `{"ready":false,"reason":"the store does not answer"}`},
	} {
		w := serve(test.probe, ask(http.MethodGet, "/readyz", ""))
		require.Equal(t, test.status, w.Code)
		require.JSONEq(t, test.body, w.Body.String())
		commonIn(t, w)
		w = serve(test.probe, ask(http.MethodPost, "/readyz", ""))
		refused(t, w, 405, CodeMethodNotAllowed)
		require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
		commonIn(t, w)
	}
	const id = "0190163d-8694-739b-aea5-966c26f8ad91"
	require.Equal(t, id, serve(Healthz(), ask(http.MethodGet, "/healthz", "", headerRequestID, id)).Header().Get(headerRequestID))
}

// commonIn looks for the headers of every answer.
func commonIn(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	require.NoError(t, uuid.Validate(w.Header().Get(headerRequestID)))
}

func TestReadinessIsAskedForOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		leaving, leave := context.WithCancel(t.Context())
		ready := Readyz(engineOf(func(ctx context.Context) error {
			switch asked.Add(1) {
			case 2:
				leave() // in the middle
			case 3:
				<-ctx.Done() // the store hangs
			}
			return ctx.Err()
		}))
		many := func() {
			var probes sync.WaitGroup
			for range 10 {
				probes.Go(func() { serve(ready, ask(http.MethodGet, "/readyz", "")) })
			}
			probes.Wait()
		}
		many()
		require.EqualValues(t, 1, asked.Load())
		<-time.After(keptFor)
		serve(ready, ask(http.MethodGet, "/readyz", "").WithContext(leaving))
		require.Equal(t, 200, serve(ready, ask(http.MethodGet, "/readyz", "")).Code, "who has left does not answer for the others")
		require.EqualValues(t, 2, asked.Load())
		<-time.After(keptFor)
		begun := time.Now()
		many()
		require.EqualValues(t, 3, asked.Load())
		require.Equal(t, mostAsked, time.Since(begun))
		require.Equal(t, 503, serve(ready, ask(http.MethodGet, "/readyz", "")).Code)
	})
}

package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

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
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		w = serve(test.probe, ask(http.MethodPost, "/readyz", ""))
		require.Equal(t, 405, w.Code)
		require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
	}
}

package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDemo(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	require.NoError(t, demo(t.Context()))
}

// The service is stopped in the middle of a campaign, and another one over the same file goes on.
func TestCampaignOutlivesTheService(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	db := filepath.Join(t.TempDir(), "service.db")
	var c campaign
	require.ErrorIs(t, serve(ctx, "localhost:0", db, func(url string) (err error) {
		if c, err = (client{url}).create(ctx, "Tuesday", 60); err != nil {
			return err
		}
		return errDone
	}), errDone)
	require.ErrorIs(t, serve(ctx, "localhost:0", db, func(url string) (err error) {
		for err == nil && !c.Over {
			c, err = client{url}.later(ctx, c.ID)
		}
		if err != nil {
			return err
		}
		return errDone
	}), errDone)
	require.Equal(t, 60, c.Reached+c.Missed)
}

func TestEndpoints(t *testing.T) {
	engine, err := batch.New(batch.Config{Store: memory.New(), Directory: directory{}})
	require.NoError(t, err)
	h := campaigns{engine}.routes()
	tests := []struct {
		name, method, path, key, body string
		status                        int
		want                          string
	}{
		{"created", "POST", "/campaigns", "k", `{"name": "a", "numbers": ["+442079460001"]}`, 201, `"waiting":1`},
		{"created once under a key", "POST", "/campaigns", "k", `{"name": "a", "numbers": ["+442079460001"]}`, 201, `"waiting":1`},
		{"another under the same key", "POST", "/campaigns", "k", `{"name": "a", "numbers": ["+442079460002"]}`, 409, `key`},
		{"every bad field", "POST", "/campaigns", "", `{"numbers": ["+442079460001", "0800"]}`, 400, `recipients[1].to_number`},
		{"no JSON", "POST", "/campaigns", "", `name=a`, 400, `"error"`},
		{"too large", "POST", "/campaigns", "", `{"name": "` + strings.Repeat("a", 2<<20) + `"}`, 400, `too large`},
		{"not found", "GET", "/campaigns/acb_1", "", "", 404, `not found`},
		{"cancel of nothing", "POST", "/campaigns/acb_1/cancel", "", "", 404, `not found`},
		{"wrong method", "DELETE", "/campaigns/acb_1", "", "", 405, ``},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, strings.NewReader(tt.body))
			r.Header.Set("Idempotency-Key", tt.key)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			require.Equal(t, tt.status, w.Code, w.Body)
			require.Contains(t, w.Body.String(), tt.want)
		})
	}
}

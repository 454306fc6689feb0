package httpapi

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
)

func nobody(*http.Request) (string, error) { return "", ErrUnauthenticated }

func TestNewNamesEveryFieldThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	_, err := New(Config{
		MaxBody: -1, MaxBodies: -1, MaxListeners: -1, BodyTimeout: -1, WriteTimeout: -1, RateLimit: -1, RateBurst: -1, KeyLifetime: -1, Heartbeat: -1,
	})
	for _, field := range []string{
		"Engine", "Authenticate", "MaxBody", "MaxBodies", "MaxListeners", "BodyTimeout", "WriteTimeout", "RateLimit", "RateBurst", "KeyLifetime", "Heartbeat",
	} {
		require.ErrorContains(t, err, "Config."+field+":")
	}
	_, err = New(Config{Engine: &batch.Engine{}, Authenticate: nobody, MaxBody: 10, MaxBodies: 19})
	require.ErrorContains(t, err, "Config.MaxBodies: expected at least twice MaxBody")
	for _, limit := range []float64{math.NaN(), math.Inf(1), 2 * maxRate} {
		_, err := New(Config{Engine: &batch.Engine{}, Authenticate: nobody, RateLimit: limit})
		require.ErrorContains(t, err, "Config.RateLimit:")
	}
}

func TestTheZeroConfigWorks(t *testing.T) {
	t.Parallel()
	h, err := New(Config{Engine: &batch.Engine{}, Authenticate: nobody})
	require.NoError(t, err)
	refused(t, serve(h, ask(http.MethodGet, "/agents/calls", "")), 401, CodeUnauthenticated)

	c := Config{}.withDefaults()
	require.Equal(t, int64(DefaultMaxBody), c.MaxBody)
	require.Equal(t, int64(8*DefaultMaxBody), c.MaxBodies)
	require.Equal(t, DefaultMaxListeners, c.MaxListeners)
	require.EqualValues(t, math.MaxInt64, Config{MaxBody: math.MaxInt64}.withDefaults().MaxBodies)
	require.Equal(t, []time.Duration{DefaultBodyTimeout, DefaultWriteTimeout, DefaultKeyLifetime, DefaultHeartbeat},
		[]time.Duration{c.BodyTimeout, c.WriteTimeout, c.KeyLifetime, c.Heartbeat})
	for limit, burst := range map[float64]int{0: 1, 0.1: 1, 1: 1, 2.5: 3, maxRate: maxRate} {
		require.Equal(t, burst, Config{RateLimit: limit}.withDefaults().RateBurst)
	}
}

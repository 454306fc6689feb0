package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEachKeyHasItsOwnRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _ := frontOf(t, Config{RateLimit: 0.5, RateBurst: 2}, things())
		with := func(key string) *http.Request {
			return ask(http.MethodGet, "/agents/things/1", "", headerAuthorization, "", headerKey, key)
		}
		for _, key := range []string{keyOfAcme, keyOfAcme2, keyOfOther} {
			require.Equal(t, 200, serve(h, with(key)).Code)
			require.Equal(t, 200, serve(h, with(key)).Code)
			for range 5 { // those that are refused put nothing off
				w := serve(h, with(key))
				refused(t, w, 429, CodeRateLimited)
				require.Equal(t, "2", w.Header().Get("Retry-After"))
			}
		}
		time.Sleep(2 * time.Second) //nolint:forbidigo // of the bubble's clock
		require.Equal(t, 200, serve(h, with(keyOfAcme)).Code)
		require.Equal(t, 429, serve(h, with(keyOfAcme)).Code)
	})
}

func TestWhoComesBackAfterRetryAfterIsServed(t *testing.T) {
	t.Parallel()
	for _, perSecond := range []float64{0.001, 0.3, 1, 7, 1000, maxRate} {
		l, now := newLimiter(perSecond, 1), time.Unix(1_800_000_000, 0)
		require.Zero(t, l.take(bucket{}, now))
		wait := l.take(bucket{}, now)
		require.Positive(t, wait)
		seconds, err := strconv.Atoi(wholeSeconds(wait))
		require.NoError(t, err)
		require.Zero(t, l.take(bucket{}, now.Add(time.Duration(seconds)*time.Second)))
	}
}

func TestFullBucketsAreForgotten(t *testing.T) {
	t.Parallel()
	l, now := newLimiter(10, 5), time.Unix(1_800_000_000, 0)
	for i := range 10_000 {
		l.take(bucket{org: fmt.Sprint(i)}, now)
	}
	busy := bucket{org: "busy"}
	for range 300 {
		now = now.Add(sweepEvery / 200)
		l.take(busy, now)
	}
	require.Len(t, l.buckets, 1)
	require.Contains(t, l.buckets, busy)
}

func TestPathsThatDoNotExistCountToo(t *testing.T) {
	t.Parallel()
	h, _ := frontOf(t, Config{RateLimit: 0.001}, things())
	require.Equal(t, 404, serve(h, ask(http.MethodGet, "/agents/nothing", "")).Code)
	require.Equal(t, 429, serve(h, ask(http.MethodGet, "/agents/nothing", "")).Code)
}

func TestHeadersThatTheHostDoesNotReadGiveNoNewBucket(t *testing.T) {
	t.Parallel()
	for name, reads := range map[string]string{"the bearer": headerAuthorization, "the plain one": headerKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := map[string]string{headerAuthorization: headerKey, headerKey: headerAuthorization}[reads]
			h, _ := frontOf(t, Config{
				RateLimit: 0.001, RateBurst: 3,
				Authenticate: func(r *http.Request) (string, error) { return r.Header.Get(reads), nil },
			}, things())
			served := 0
			for i := range 50 {
				r := ask(http.MethodGet, "/agents/things/1", "", headerAuthorization, "", reads, "acme", other, fmt.Sprint("Bearer ", i))
				if serve(h, r).Code == 200 {
					served++
				}
			}
			require.Equal(t, 3, served)
		})
	}
}

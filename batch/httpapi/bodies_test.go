package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// crowd is a server whose bodies are read as JSON or as a file, and a look at what it holds.
func crowd(t *testing.T, cfg Config) (*rawServer, *api) {
	t.Helper()
	a := newAPI(cfg.withDefaults())
	file := func(w http.ResponseWriter, r *request) error {
		_, _, err := decodeCSV(a.body(w, r), r.Request, r.version, 1<<20)
		return err
	}
	return serveFront(t, a, doing(readingAll(a)),
		route{pattern: "/agents/file", methods: map[string]endpoint{http.MethodPost: file}}), a
}

// leftTo is how much an organisation may still send. Asking takes nothing from those who send.
func (b *bodies) leftTo(org string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.orgs[org]; a != nil {
		return min(a.left, b.left)
	}
	return min(b.share, b.left)
}

// stalled sends so much of a longer body.
func (s *rawServer) stalled(t *testing.T, path, key string, n int) *client {
	t.Helper()
	c := s.dial(t)
	c.send("POST %s HTTP/1.1\r\nHost: x\r\n%s: Bearer %s\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s", path,
		headerAuthorization, key, headerVersion, version202603, n+1, strings.Repeat("x", n))
	return c
}

func TestManyBodiesOfAnOrganisationAreLimitedTogether(t *testing.T) {
	t.Parallel()
	const size, share = 512 << 10, 1 << 20
	for path, weight := range map[string]int{"/agents/do": 1, "/agents/file": weightOfFile} {
		s, a := crowd(t, Config{MaxBody: share / 2, MaxBodies: 4 * share})
		var held []*client
		for range share / size / weight {
			held = append(held, s.stalled(t, path, keyOfAcme, size-1))
		}
		room := int64(len(held) * weight * (uncounted + 1)) // what does not count, and what is missing
		require.Eventually(t, func() bool { return a.bodies.leftTo("acme") <= room }, patience, time.Millisecond, path)

		c := s.stalled(t, path, keyOfAcme2, size-1)
		got := c.answer()
		require.Equal(t, 503, got.status, got.body)
		require.Contains(t, got.body, `"overloaded"`)
		require.Equal(t, "5", got.header.Get("Retry-After"))
		require.Empty(t, got.header.Get(headerShouldRetry), "nothing was done")
		require.True(t, got.last)
		require.Contains(t, s.book.String(), "WARN")
		require.NotContains(t, s.book.String(), "ERROR")

		other := s.stalled(t, "/agents/do", keyOfOther, size-2)
		other.send("xx")
		require.Equal(t, 200, other.answer().status, "others have their own share")
		small := s.dial(t)
		small.send("%s\r\n%s", head("POST", "/agents/do", fmt.Sprint("Content-Length: ", uncounted)), strings.Repeat("x", uncounted))
		require.Equal(t, 200, small.answer().status, "as is room for what needs none")

		for _, c := range held {
			require.NoError(t, c.Close())
		}
		require.Eventually(t, func() bool { return a.bodies.leftTo("acme") == share }, patience, time.Millisecond)
	}
}

func TestBodiesOfAllOrganisationsAreLimitedTogether(t *testing.T) {
	t.Parallel()
	b := newBodies(Config{MaxBody: 1 << 10, MaxBodies: 8 << 10})
	require.EqualValues(t, 2<<10, b.leftTo("a"))
	var held []*holding
	for i := range 4 {
		h := b.open(fmt.Sprint(i))
		require.True(t, h.take(uncounted+2<<10))
		require.False(t, h.take(1))
		held = append(held, h)
	}
	last := b.open("last")
	require.True(t, last.take(uncounted))
	require.False(t, last.take(1))
	held[0].close()
	require.True(t, last.take(1))
	last.close()
	for _, h := range held[1:] {
		h.close()
	}
	require.Empty(t, b.orgs)
	require.EqualValues(t, 8<<10, b.left, "all of it is back")
}

func TestWhoSendsLittleHoldsLittle(t *testing.T) {
	t.Parallel()
	s, a := crowd(t, Config{MaxBody: 1 << 20, MaxBodies: 2 << 20})
	for range 20 {
		c := s.dial(t)
		c.send("%s\r\nx", head("POST", "/agents/do", fmt.Sprint("Content-Length: ", 1<<20)))
	}
	require.Eventually(t, func() bool {
		a.bodies.mu.Lock()
		defer a.bodies.mu.Unlock()
		return a.bodies.orgs["acme"] != nil && a.bodies.orgs["acme"].requests == 20
	}, patience, time.Millisecond)
	require.EqualValues(t, 2<<20, a.bodies.leftTo("acme"))
}

func TestTheLargestBodyAlwaysFits(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	s, _ := crowd(t, Config{MaxBody: size, MaxBodies: weightOfFile * size})
	c := s.dial(t)
	c.send("%s\r\n%s", head("POST", "/agents/file", fmt.Sprint("Content-Length: ", size)), strings.Repeat("x", size))
	got := c.answer()
	require.Equal(t, 400, got.status)
	require.Contains(t, got.body, "to_number")
}

func TestTheNamesOfColumnsCountInEveryRow(t *testing.T) {
	t.Parallel()
	s, _ := crowd(t, Config{MaxBody: 1 << 20})
	text := "to_number," + strings.Repeat("n", 100_000) + "\n" + strings.Repeat("+14155550123,\n", 1000)
	c := s.dial(t)
	c.send("%s\r\n%s", head("POST", "/agents/file", fmt.Sprint("Content-Length: ", len(text))), text)
	got := c.answer()
	require.Equal(t, 400, got.status)
	require.Contains(t, got.body, "line 12")
	require.Contains(t, got.body, "1048576 bytes")
}

package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAStreamIsWhatWasWritten(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	s := newStream(w)
	var want bytes.Buffer
	for _, n := range []int{0, 1, 100, piece - 1, piece, piece + 1, 3, 10 * piece, 7} {
		p := bytes.Repeat([]byte{byte('a' + n%26)}, n)
		want.Write(p)
		m, err := s.Write(p)
		require.NoError(t, err)
		require.Equal(t, n, m)
	}
	require.Less(t, w.Body.Len(), want.Len(), "the last bytes wait")
	require.False(t, w.Flushed)
	require.NoError(t, s.Flush())
	require.True(t, w.Flushed)
	require.Equal(t, want.String(), w.Body.String())
}

// brokenWriter fails, and counts how often it was asked to write.
type brokenWriter struct {
	http.ResponseWriter

	writes int
}

func (b *brokenWriter) Write([]byte) (int, error) {
	b.writes++
	return 0, io.ErrClosedPipe
}

func TestAfterAnErrorAStreamReturnsIt(t *testing.T) {
	t.Parallel()
	w := &brokenWriter{ResponseWriter: httptest.NewRecorder()}
	s := newStream(w)
	_, err := s.Write([]byte("x"))
	require.NoError(t, err)
	require.ErrorIs(t, s.Flush(), io.ErrClosedPipe)
	for _, n := range []int{1, piece} {
		m, err := s.Write(make([]byte, n))
		require.ErrorIs(t, err, io.ErrClosedPipe)
		require.Zero(t, m)
	}
	require.ErrorIs(t, s.Flush(), io.ErrClosedPipe)
	require.Equal(t, 1, w.writes)
}

// TestAClientThatStopsReadingIsCutOff has the server write more than the buffers between the
// two can hold.
func TestAClientThatStopsReadingIsCutOff(t *testing.T) {
	t.Parallel()
	var a *api
	ended := make(chan error, 1)
	s := listenAndServe(t, Config{WriteTimeout: 200 * time.Millisecond}, ServerConfig{},
		doing(func(w http.ResponseWriter, _ *request) (err error) {
			out := a.stream(w)
			defer func() { ended <- err }()
			for {
				if _, err := out.Write(make([]byte, 1<<20)); err != nil {
					return fmt.Errorf("%w: %w", http.ErrAbortHandler, err)
				}
			}
		}))
	c := s.dial(t)
	c.send("%s\r\n", head("GET", "/agents/do"))
	select {
	case err := <-ended:
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	case <-time.After(patience):
		require.Fail(t, "the server goes on writing")
	}
	s.stillServes(t)
	require.Eventually(t, func() bool { return len(s.book.lines(t, "request")) == 2 }, patience, time.Millisecond)
	require.NotContains(t, s.book.String(), "ERROR", "it is no fault of ours")
}

func TestAnAnswerThatNobodyTakesIsGivenUp(t *testing.T) {
	t.Parallel()
	s := listenAndServe(t, Config{WriteTimeout: 200 * time.Millisecond}, ServerConfig{},
		doing(func(w http.ResponseWriter, _ *request) error {
			_, err := w.Write(make([]byte, 64<<20)) // all at once
			return err
		}))
	c := s.dial(t)
	c.send("%s\r\n", head("GET", "/agents/do"))
	require.Eventually(t, func() bool { return len(s.book.lines(t, "request")) == 1 }, patience, time.Millisecond)
	require.Equal(t, "DEBUG", s.book.lines(t, "request")[0]["level"])
}

// pausing is an endpoint that says something, is silent for longer than WriteTimeout, and goes on.
func pausing(pause time.Duration) endpoint {
	return func(w http.ResponseWriter, r *request) error {
		s := newStream(w)
		for i := range 3 {
			if _, err := s.Write([]byte("hello ")); err != nil {
				return err
			}
			s.send(s.buf) // to the server, which may keep it
			s.buf = s.buf[:0]
			if i == 1 {
				if err := s.Flush(); err != nil {
					return err
				}
			}
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
				return errors.New("the server took the client for gone")
			}
		}
		return nil
	}
}

func TestAListenerMayHearNothingForLong(t *testing.T) {
	t.Parallel()
	const timeout = time.Second // in which a busy machine has the body come
	h, book := frontOf(t, Config{WriteTimeout: timeout, BodyTimeout: timeout}, doing(pausing(2*timeout)))
	for _, version := range []int{1, 2} {
		for _, body := range []string{"", "a body"} {
			t.Run(fmt.Sprintf("HTTP %d with %q", version, body), func(t *testing.T) {
				t.Parallel()
				srv := httptest.NewUnstartedServer(h)
				srv.Config = NewServer(h, ServerConfig{})
				srv.EnableHTTP2 = version == 2
				srv.StartTLS()
				defer srv.Close()
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/agents/do", strings.NewReader(body))
				require.NoError(t, err)
				r.Header.Set(headerKey, keyOfAcme)
				r.Header.Set(headerVersion, version202603)
				res, err := srv.Client().Do(r)
				require.NoError(t, err)
				require.Equal(t, version, res.ProtoMajor)
				text, err := io.ReadAll(res.Body)
				require.NoError(t, err, book)
				require.Equal(t, strings.Repeat("hello ", 3), string(text))
				require.NoError(t, res.Body.Close())
			})
		}
	}
}

func TestTheServersOwnComplaintsAreLogged(t *testing.T) {
	t.Parallel()
	book := &logbook{}
	s := listenAndServe(t, Config{}, ServerConfig{Logger: newLogger(book)}, doing(func(w http.ResponseWriter, _ *request) error {
		w.WriteHeader(http.StatusOK)
		w.WriteHeader(http.StatusCreated)
		return nil
	}))
	c := s.dial(t)
	c.send("%s\r\n", head("GET", "/agents/do"))
	c.answer()
	require.Contains(t, book.String(), "superfluous")
	require.Contains(t, book.String(), "WARN")
}

// TestAClientThatOnlyAsksIsCutOff has answers pile up that are too small to be sent before the
// handler has returned.
func TestAClientThatOnlyAsksIsCutOff(t *testing.T) {
	t.Parallel()
	s := listenAndServe(t, Config{WriteTimeout: 200 * time.Millisecond}, ServerConfig{})
	c := s.dial(t)
	requests := []byte(strings.Repeat(head("GET", "/agents/things/1")+"\r\n", 100))
	var err error
	for err == nil {
		_, err = c.Write(requests)
	}
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server waits for ever")
	s.stillServes(t)
}

func TestAClientThatReadsSteadilyGetsALongAnswer(t *testing.T) {
	t.Parallel()
	const size, timeout = 64 << 20, time.Second
	s := listenAndServe(t, Config{WriteTimeout: timeout}, ServerConfig{}, doing(func(w http.ResponseWriter, _ *request) error {
		_, err := w.Write(make([]byte, size)) // takes longer than the timeout, but no piece of it does
		return err
	}))
	c := s.dial(t)
	c.send("%s\r\n", head("GET", "/agents/do"))
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	read, begun, buf := 0, time.Now(), make([]byte, 128<<10)
	for read < size {
		<-tick.C
		n, err := io.ReadFull(c, buf)
		require.NoError(t, err, "after %d bytes", read)
		read += n
	}
	require.Greater(t, time.Since(begun), timeout, "it was not slow enough to show anything")
}

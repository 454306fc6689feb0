package httpapi

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

// readingAll is an endpoint that reads the body and says how long it was.
func readingAll(a *api) endpoint {
	return func(w http.ResponseWriter, r *request) error {
		n, err := io.Copy(io.Discard, a.body(w, r))
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(w, n)
		return err
	}
}

func TestABodyOfTheLimitIsReadAndOneOfMoreIsNot(t *testing.T) {
	t.Parallel()
	const limit = 1000
	a := &api{cfg: Config{MaxBody: limit}.withDefaults()}
	h, _ := frontOf(t, Config{}, doing(readingAll(a)))
	for _, known := range []bool{true, false} {
		for n, status := range map[int]int{0: 200, 1: 200, limit: 200, limit + 1: 413, 100 * limit: 413} {
			r := ask(http.MethodPost, "/agents/do", strings.Repeat("x", n))
			if !known {
				r.ContentLength = -1
			}
			w := serve(h, r)
			require.Equal(t, status, w.Code, "%d bytes, known: %v", n, known)
			if status == 413 {
				require.Contains(t, refused(t, w, 413, CodeBodyTooLarge).Message, "1000")
				require.Equal(t, "close", w.Header().Get("Connection"))
			}
		}
	}
}

func TestABodyThatIsTooLargeIsNotReadAtAll(t *testing.T) {
	t.Parallel()
	a := &api{cfg: Config{MaxBody: 10}.withDefaults()}
	h, _ := frontOf(t, Config{}, doing(readingAll(a)))
	r := ask(http.MethodPost, "/agents/do", "")
	r.ContentLength, r.Body = 11, io.NopCloser(iotest.ErrReader(errors.New("it was read")))
	refused(t, serve(h, r), 413, CodeBodyTooLarge)
}

func TestCompressedBodiesAreRefused(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, err := z.Write(make([]byte, 10<<20))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	a := &api{cfg: Config{}.withDefaults()}
	h, _ := frontOf(t, Config{}, doing(readingAll(a)))
	for _, coding := range []string{"gzip", "br", "gzip, identity", "x"} {
		w := serve(h, ask(http.MethodPost, "/agents/do", bomb.String(), "Content-Encoding", coding))
		refused(t, w, 415, CodeMediaType)
		require.Equal(t, "identity", w.Header().Get("Accept-Encoding"))
	}
	w := serve(h, ask(http.MethodPost, "/agents/do", bomb.String(), "Content-Encoding", "Identity"))
	require.Equal(t, fmt.Sprint(bomb.Len()), w.Body.String())
}

func TestWhatGoesWrongWithReading(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err    error
		status int
		code   Code
	}{
		{os.ErrDeadlineExceeded, 408, CodeTimeout},
		{io.ErrUnexpectedEOF, 400, CodeInvalidJSON},
		{errors.New("invalid byte in chunk length"), 400, CodeInvalidJSON},
	} {
		a := &api{cfg: Config{}.withDefaults()}
		r := ask(http.MethodPost, "/", "")
		r.ContentLength, r.Body = -1, io.NopCloser(iotest.ErrReader(test.err))
		body := a.body(httptest.NewRecorder(), &request{Request: r})
		_, err := jsontext.NewDecoder(body).ReadValue()
		p := bodyProblem(fmt.Errorf("decoding: %w", err))
		require.NotNil(t, p, err)
		require.Equal(t, test.status, p.status)
		require.Equal(t, test.code, p.code)
		_, again := body.Read(make([]byte, 1))
		require.ErrorIs(t, again, p, "it stays as it is")
	}
	require.Nil(t, bodyProblem(errors.New("no error of reading")))
	require.Nil(t, bodyProblem(nil))
}

// deadlines notes the deadlines for reading that are set.
type deadlines struct {
	*httptest.ResponseRecorder

	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func TestTheDeadlineOfABodyGoesWithItsEnd(t *testing.T) {
	t.Parallel()
	a := &api{cfg: Config{BodyTimeout: time.Hour}.withDefaults()}
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	body := a.body(w, &request{Request: ask(http.MethodPost, "/", "hello")})
	_, err := body.Read(make([]byte, 2))
	require.NoError(t, err)
	require.Len(t, w.set, 1)
	require.WithinDuration(t, time.Now().Add(time.Hour), w.set[0], time.Minute)
	_, err = io.ReadAll(body)
	require.NoError(t, err)
	require.True(t, w.set[len(w.set)-1].IsZero())
}

// What came earns time for the next piece, but never more than it takes at the least rate.
func TestTheDeadlineOfABodyMovesWithWhatCame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const timeout = 10 * time.Second
		a := &api{cfg: Config{BodyTimeout: timeout}.withDefaults()}
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		begun := time.Now()
		body := a.body(w, &request{Request: ask(http.MethodPost, "/", strings.Repeat("x", 10*leastRate))})
		read := func(n int) {
			_, err := io.CopyN(io.Discard, body, int64(n))
			require.NoError(t, err)
			_, err = body.Read(nil)
			require.NoError(t, err)
		}
		<-time.After(time.Second)
		read(2 * leastRate) // faster than it must be: a whole timeout from now on
		require.Equal(t, begun.Add(time.Second+timeout), w.set[len(w.set)-1])
		<-time.After(9 * time.Second)
		read(leastRate) // slower by far: all that came is worth three seconds
		require.Equal(t, begun.Add(3*time.Second+timeout), w.set[len(w.set)-1])
	})
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"application/json":                          "application/json",
		"Application/JSON; charset=UTF-8":           "application/json",
		`text/csv; header=present; charset="utf-8"`: "text/csv",

		"":                                   "",
		"json":                               "",
		"application/json; charset=utf-16":   "",
		"application/json; charset=":         "",
		"application/json; charset":          "",
		"application/json, application/json": "",
		"application/xml":                    "",
		"application/jsonx":                  "",
		"multipart/form-data; boundary=x":    "",
		"application/x-www-form-urlencoded":  "",
	} {
		r := &request{Request: ask(http.MethodPost, "/", "x", "Content-Type", given)}
		got, p := contentType(r, "application/json", "text/csv")
		require.Equal(t, want, got, given)
		require.Equal(t, want == "", p != nil, given)
		if p != nil {
			require.Equal(t, 415, p.status)
			require.Contains(t, p.message, "application/json, text/csv")
			require.Equal(t, []string{"application/json, text/csv"}, p.header["Accept"])
		}
	}
	twice := &request{Request: ask(http.MethodPost, "/", "x", "Content-Type", "application/json")}
	twice.Header.Add("Content-Type", "application/json")
	_, p := contentType(twice, "application/json")
	require.NotNil(t, p)
}

func TestRequestsThatTakeNoBody(t *testing.T) {
	t.Parallel()
	a := &api{cfg: Config{}.withDefaults()}
	for body, status := range map[string]int{
		"": 0, "{}": 0, ` {"a": [1, {"b": null}]} ` + "\n": 0,

		" ": 400, "null": 400, "[]": 400, "1": 400, `"x"`: 400, "{": 400, "{} {}": 400, "{}x": 400, "a=b": 400,
		`{"a":1,"a":2}`: 400, "{\"\xff\":1}": 400,
		`{"a":"` + strings.Repeat("x", maxNoBody) + `"}`: 413,
	} {
		for _, length := range []int64{int64(len(body)), -1} {
			r := &request{Request: ask(http.MethodPost, "/", body)}
			r.ContentLength = length
			p := a.noBody(httptest.NewRecorder(), r)
			if status == 0 {
				require.Nil(t, p, body)
			} else {
				require.NotNil(t, p, body)
				require.Equal(t, status, p.status, body)
			}
		}
	}
}

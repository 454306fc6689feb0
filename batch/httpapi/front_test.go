package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
)

func TestARequestComesToItsEndpoint(t *testing.T) {
	t.Parallel()
	h, _ := frontOf(t, Config{}, things())
	w := serve(h, ask(http.MethodPost, "/agents/things/x%2Fy", ""))
	require.Equal(t, "acme 2026-03-01 POST x/y", w.Body.String())
	w = serve(h, ask(http.MethodGet, "/agents/things/1", "",
		headerAuthorization, "", headerKey, keyOfOther, headerVersion, version202608))
	require.Equal(t, "other 2026-08-14 GET 1", w.Body.String())
}

func TestEveryAnswerHasTheCommonHeaders(t *testing.T) {
	t.Parallel()
	h, _ := frontOf(t, Config{}, things(), doing(func(http.ResponseWriter, *request) error { panic("oh") }))
	for status, r := range map[int]*http.Request{
		200: ask(http.MethodGet, "/agents/things/1", ""),
		400: ask(http.MethodGet, "/agents/things/1", "", headerVersion, ""),
		401: ask(http.MethodGet, "/agents/things/1", "", headerAuthorization, ""),
		404: ask(http.MethodGet, "/nothing", ""),
		405: ask(http.MethodDelete, "/agents/things/1", ""),
		500: ask(http.MethodGet, "/agents/do", ""),
	} {
		w := serve(h, r)
		require.Equal(t, status, w.Code)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
		id, err := uuid.Parse(w.Header().Get(headerRequestID))
		require.NoError(t, err)
		require.Equal(t, uuid.Version(4), id.Version())
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	h, _ := frontOf(t, Config{}, things())
	const good = "0190163d-8694-739b-aea5-966c26f8ad91"
	w := serve(h, ask(http.MethodDelete, "/agents/things/1", "", headerRequestID, good))
	require.Equal(t, good, refused(t, w, 405, CodeMethodNotAllowed).RequestID)
	for _, bad := range []string{
		strings.ToUpper(good), "{" + good + "}", "urn:uuid:" + good, strings.ReplaceAll(good, "-", ""), good + " ", "7",
	} {
		w := serve(h, ask(http.MethodGet, "/agents/things/1", "", headerRequestID, bad))
		require.NotEqual(t, bad, w.Header().Get(headerRequestID))
		require.Len(t, w.Header().Get(headerRequestID), len(good))
	}
	twice := ask(http.MethodGet, "/agents/things/1", "", headerRequestID, good)
	twice.Header.Add(headerRequestID, good)
	require.NotEqual(t, good, serve(h, twice).Header().Get(headerRequestID))
}

func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	h, _ := frontOf(t, Config{}, things(), doing(nil))
	for _, path := range []string{
		"/", "/nothing", "/agents", "/agents/", "/agents/things", "/agents/things/", "/agents/things/1/", "/agents/do/",
		"//agents/do", "/agents//do", "/agents/./do", "/agents/x/../do", "/agents/do/..", "/AGENTS/do", "/agents/things/1/2",
	} {
		r := ask(http.MethodGet, "/", "")
		r.URL.Path = path
		w := serve(h, r)
		refused(t, w, 404, CodeNotFound)
		require.Empty(t, w.Header().Get("Location"), path)
	}
	r := ask(http.MethodOptions, "/", "")
	r.URL.Path, r.RequestURI = "*", "*"
	refused(t, serve(h, r), 404, CodeNotFound)
}

func TestWithoutAKeyEverythingBelowAgentsLooksTheSame(t *testing.T) {
	t.Parallel()
	h, _ := frontOf(t, Config{RateLimit: 1, RateBurst: 1}, things())
	answers := map[string]bool{}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodOptions} {
		for _, path := range []string{"/agents", "/agents/things/1", "/agents/nothing", "/agents/things/1/", "/agents/../x"} {
			r := ask(method, "/", "", headerAuthorization, "Bearer nobody's", headerVersion, "")
			r.URL.Path = path
			w := serve(h, r)
			refused(t, w, 401, CodeUnauthenticated)
			require.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
			require.Empty(t, w.Header().Get("Allow"))
			answers[strings.ReplaceAll(w.Body.String(), w.Header().Get(headerRequestID), "")] = true
		}
	}
	require.Len(t, answers, 1)
}

func TestWhatIsNotBelowAgentsNeedsNoKeyAndNoVersion(t *testing.T) {
	t.Parallel()
	open := things()
	open.pattern = "/agentsbook.yaml"
	h, _ := frontOf(t, Config{}, open)
	r := httptest.NewRequest(http.MethodGet, "/agentsbook.yaml", http.NoBody)
	require.Equal(t, 200, serve(h, r).Code)
}

func TestMethods(t *testing.T) {
	t.Parallel()
	h, _ := frontOf(t, Config{}, things())
	for _, method := range []string{http.MethodDelete, http.MethodPut, http.MethodOptions, http.MethodConnect, "BREW"} {
		w := serve(h, ask(method, "/agents/things/1", "", headerVersion, ""))
		refused(t, w, 405, CodeMethodNotAllowed)
		require.Equal(t, "GET, HEAD, POST", w.Header().Get("Allow"), method)
	}
	w := serve(h, ask(http.MethodHead, "/agents/things/1", ""))
	require.Equal(t, 200, w.Code)
}

func TestAHeadRequestEndsAStream(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(*stream) error{
		"by flushing": func(s *stream) error { return s.Flush() },
		"by writing": func(s *stream) error {
			_, err := s.Write(make([]byte, piece))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var a *api
			h, book := frontOf(t, Config{}, doing(func(w http.ResponseWriter, _ *request) error {
				s := a.stream(w)
				for {
					if err := write(s); err != nil {
						return fmt.Errorf("%w: %w", http.ErrAbortHandler, err)
					}
				}
			}))
			require.Equal(t, 200, serve(h, ask(http.MethodHead, "/agents/do", "")).Code)
			require.Len(t, book.lines(t, "request"), 1)
			require.NotContains(t, book.String(), "ERROR")
		})
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	h, _ := frontOf(t, Config{}, things())
	for _, bad := range []string{"", "2026-03-02", "2026-03-01, 2026-03-01", "latest"} {
		b := refused(t, serve(h, ask(http.MethodGet, "/agents/things/1", "", headerVersion, bad)), 400, CodeInvalidVersion)
		for _, v := range versions() {
			require.Contains(t, b.Message, v)
		}
	}
	twice := ask(http.MethodGet, "/agents/things/1", "")
	twice.Header.Add(headerVersion, version202603)
	refused(t, serve(h, twice), 400, CodeInvalidVersion)
}

func TestBehindStripPrefix(t *testing.T) {
	t.Parallel()
	h, _ := frontOf(t, Config{}, things())
	h = http.StripPrefix("/v1", h)
	require.Equal(t, "acme 2026-03-01 GET a b", serve(h, ask(http.MethodGet, "/v1/agents/things/a%20b", "")).Body.String())
	for _, path := range []string{"/v1", "/v1/", "/v1agents/things/1"} {
		refused(t, serve(h, ask(http.MethodGet, path, "")), 404, CodeNotFound)
	}
}

func TestFaultsTellNobodyWhatTheyAre(t *testing.T) {
	t.Parallel()
	secret := errors.New("password=hunter2")
	for name, do := range map[string]endpoint{
		"an error": func(http.ResponseWriter, *request) error { return secret },
		"a panic":  func(http.ResponseWriter, *request) error { panic(secret) },
		"after headers were set": func(w http.ResponseWriter, _ *request) error {
			w.Header().Set("Content-Length", "5")
			w.Header().Set("Location", "/secret")
			return secret
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, book := frontOf(t, Config{}, doing(do))
			w := serve(h, ask(http.MethodPost, "/agents/do", ""))
			b := refused(t, w, 500, CodeInternal)
			require.NotContains(t, w.Body.String(), "hunter2")
			require.Empty(t, w.Header().Get("Location"))
			require.Equal(t, fmt.Sprint(w.Body.Len()), w.Header().Get("Content-Length"))
			require.Contains(t, book.String(), "hunter2")
			line := book.lines(t, "request")[0]
			require.Equal(t, "ERROR", line["level"])
			require.Equal(t, b.RequestID, line["id"])
		})
	}
}

func TestAnAnswerThatCannotBeFinishedIsCutShort(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]endpoint{
		"an error": func(w http.ResponseWriter, _ *request) error {
			w.WriteHeader(http.StatusOK)
			return errors.New("the store is gone")
		},
		"a panic": func(w http.ResponseWriter, _ *request) error {
			w.WriteHeader(http.StatusOK)
			panic("the store is gone")
		},
		"an abort": func(http.ResponseWriter, *request) error {
			return fmt.Errorf("the store is gone: %w", http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, book := frontOf(t, Config{}, doing(do))
			w := httptest.NewRecorder()
			require.PanicsWithValue(t, http.ErrAbortHandler, func() { h.ServeHTTP(w, ask(http.MethodGet, "/agents/do", "")) })
			require.Empty(t, w.Body)
			require.Contains(t, book.String(), "the store is gone")
			require.Equal(t, "ERROR", book.lines(t, "request")[0]["level"])
		})
	}
}

func TestErrAbortHandlerPassesThrough(t *testing.T) {
	t.Parallel()
	h, book := frontOf(t, Config{}, doing(func(http.ResponseWriter, *request) error { panic(http.ErrAbortHandler) }))
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { serve(h, ask(http.MethodGet, "/agents/do", "")) })
	require.NotContains(t, book.String(), "panicked")
}

func TestAClientThatLeftGetsNothing(t *testing.T) {
	t.Parallel()
	h, book := frontOf(t, Config{}, doing(func(_ http.ResponseWriter, r *request) error { return r.Context().Err() }))
	w := httptest.NewRecorder()
	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		h.ServeHTTP(w, ask(http.MethodGet, "/agents/do", "").WithContext(leaving(t)))
	})
	require.Empty(t, w.Body)
	require.NotContains(t, book.String(), "ERROR")
	require.Equal(t, "DEBUG", book.lines(t, "request")[0]["level"])
}

func TestTheErrorsOfTheEngine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err    error
		status int
		code   Code
	}{
		{&batch.InvalidError{Fields: []batch.FieldError{{Path: "name", Message: "required"}}}, 400, CodeInvalidRequest},
		{fmt.Errorf("x: %w", batch.ErrNotFound), 404, CodeNotFound},
		{fmt.Errorf("x: %w", batch.ErrUsageLimit), 402, CodeUsageLimit},
		{fmt.Errorf("x: %w", batch.ErrKeyReused), 422, CodeKeyReused},
		{fmt.Errorf("x: %w", batch.ErrBatchCancelled), 400, CodeBatchCancelled},
		{fmt.Errorf("x: %w", batch.ErrCallOver), 400, CodeCallOver},
	} {
		h, book := frontOf(t, Config{}, doing(func(http.ResponseWriter, *request) error { return test.err }))
		refused(t, serve(h, ask(http.MethodGet, "/agents/do", "")), test.status, test.code)
		require.NotContains(t, book.String(), "ERROR")
	}
}

func TestWhatTheHostsAuthenticateMayReturn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		authenticate func(*http.Request) (string, error)
		status       int
		code         Code
	}{
		"no key": {func(*http.Request) (string, error) {
			return "acme", fmt.Errorf("expired: %w", ErrUnauthenticated)
		}, 401, CodeUnauthenticated},
		"a fault":         {func(*http.Request) (string, error) { return "", errors.New("no database") }, 500, CodeInternal},
		"no organisation": {func(*http.Request) (string, error) { return "", nil }, 500, CodeInternal},
		"a panic":         {func(*http.Request) (string, error) { panic("oh") }, 500, CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, _ := frontOf(t, Config{Authenticate: test.authenticate}, things())
			refused(t, serve(h, ask(http.MethodGet, "/agents/things/1", "")), test.status, test.code)
		})
	}
}

func TestTheLogHasALineForEachRequestAndNothingPersonal(t *testing.T) {
	t.Parallel()
	h, book := frontOf(t, Config{}, things())
	const number = "+14155550123"
	id := serve(h, ask(http.MethodPost, "/agents/things/"+number+"?to="+number, number)).Header().Get(headerRequestID)
	serve(h, ask(number, "/"+number, number, "X-Number", number))
	lines := book.lines(t, "request")
	require.Len(t, lines, 2)
	require.NotContains(t, book.String(), "4155550123")
	require.NotContains(t, book.String(), keyOfAcme)
	require.Positive(t, lines[0]["duration"])
	for field, want := range map[string]any{
		"id": id, "method": "POST", "route": "/agents/things/{thing}", "status": 200.0, "bytes": 33.0, "org": "acme", "level": "INFO",
	} {
		require.Equal(t, want, lines[0][field], field)
	}
	for field, want := range map[string]any{"method": "other", "route": "", "status": 404.0, "org": ""} {
		require.Equal(t, want, lines[1][field], field)
	}
}

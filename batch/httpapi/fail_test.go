package httpapi

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// at is a route of one endpoint for whatever method the API has there.
func at(pattern string, do endpoint) route {
	return route{pattern: pattern, methods: map[string]endpoint{
		http.MethodGet: do, http.MethodPost: do, http.MethodPatch: do,
	}}
}

func TestAFaultInvitesNobodyToCallPeopleTwice(t *testing.T) {
	t.Parallel()
	failing := func(http.ResponseWriter, *request) error { return errors.New("the store is gone") }
	panicking := func(http.ResponseWriter, *request) error { panic("oh") }
	const one = "/agents/calls/batches/acb_1"
	for _, do := range []endpoint{failing, panicking} {
		h, _ := frontOf(t, Config{}, at(batchesPath, do), at(batchPath, do), at(batchPath+"/retry", do),
			at(batchPath+"/cancel", do), at(callsPath+"/{call_id}/{action}", do))
		for _, test := range []struct {
			method, path string
			keys         []string
			harmful      bool
			message      string
		}{
			{"POST", batchesPath, nil, true, "Read what there is"},
			{"POST", one + "/retry", nil, true, "Read what there is"},
			{"POST", batchesPath, []string{keyHeader, "k"}, false, "with the same Idempotency-Key"},
			{"POST", one + "/retry", []string{keyHeader, "k"}, false, "with the same Idempotency-Key"},
			{"GET", batchesPath, nil, false, "may be repeated"},
			{"PATCH", one, nil, false, "may be repeated"},
			{"POST", one + "/cancel", nil, false, "may be repeated"},
			{"POST", "/agents/calls/call_1/cancel", nil, false, "may be repeated"},
		} {
			w := serve(h, ask(test.method, test.path, "", test.keys...))
			b := refused(t, w, 500, CodeInternal)
			require.Contains(t, b.Message, test.message, test)
			require.Equal(t, test.harmful, w.Header().Get(headerShouldRetry) == "false", test)
			require.Equal(t, test.harmful, strings.Contains(b.Message, "done twice"), test)
			require.Equal(t, test.harmful, w.Header()["X-Should-Retry"] != nil, test)
		}
	}
}

// What failed before it came to its endpoint did nothing.
func TestAFaultInFrontOfTheEndpointDidNothing(t *testing.T) {
	t.Parallel()
	h, _ := frontOf(t, Config{Authenticate: func(*http.Request) (string, error) { return "", errors.New("no database") }},
		at(batchesPath, nil))
	w := serve(h, ask(http.MethodPost, batchesPath, ""))
	require.Contains(t, refused(t, w, 500, CodeInternal).Message, "may be repeated")
	require.Empty(t, w.Header().Get(headerShouldRetry))
}

package twilio_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

// inspector compares what goes over the wire with Twilio's own description of the API.
type inspector struct {
	doc     *openapi3.T
	answers bool // those of the stand-in, too

	mu       sync.Mutex
	seen     map[string]int // by operation
	mistakes []string
}

func newInspector(t *testing.T) *inspector {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("testdata/calls-openapi.json")
	require.NoError(t, err)
	strict(doc)
	i := &inspector{doc: doc, seen: map[string]int{}}
	t.Cleanup(func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		require.Empty(t, i.mistakes)
	})
	return i
}

// strict refuses fields of a call that the description does not have.
func strict(doc *openapi3.T) {
	doc.Components.Schemas["api.v2010.account.call"].Value.AdditionalProperties = openapi3.AdditionalProperties{Has: new(bool)}
}

// route is by hand: the routers of the library know no placeholder with something after it.
func (i *inspector) route(r *http.Request) (*routers.Route, map[string]string, error) {
	for path, item := range i.doc.Paths.Map() {
		pattern := regexp.MustCompile("^" + strings.NewReplacer(".", `\.`, "{", "(?P<", "}", ">[^/]+)").Replace(path) + "$")
		found := pattern.FindStringSubmatch(r.URL.Path)
		operation := item.GetOperation(r.Method)
		if found == nil || operation == nil {
			continue
		}
		params := map[string]string{}
		for n, name := range pattern.SubexpNames()[1:] {
			params[name] = found[n+1]
		}
		return &routers.Route{Spec: i.doc, Path: path, PathItem: item, Method: r.Method, Operation: operation}, params, nil
	}
	return nil, nil, routers.ErrPathNotFound
}

// unknownFields are those that Twilio would ignore in silence.
func unknownFields(o *openapi3.Operation, body []byte) (unknown []string) {
	form, err := url.ParseQuery(string(body))
	if err != nil || o.RequestBody == nil {
		return nil
	}
	known := o.RequestBody.Value.Content["application/x-www-form-urlencoded"].Schema.Value.Properties
	for name := range form {
		if known[name] == nil {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

func (i *inspector) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // whoever asked has given up
		}
		input := i.request(r, body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !i.answers {
			next.ServeHTTP(w, r)
			return
		}
		recorder := httptest.NewRecorder()
		next.ServeHTTP(recorder, r)
		i.answer(r, input, recorder)
		maps.Copy(w.Header(), recorder.Header())
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(recorder.Body.Bytes())
	})
}

func (i *inspector) request(r *http.Request, body []byte) *openapi3filter.RequestValidationInput {
	clone := r.Clone(r.Context())
	clone.Body = io.NopCloser(bytes.NewReader(body))
	route, params, err := i.route(clone)
	if err != nil {
		i.mistake(r, err)
		return nil
	}
	input := &openapi3filter.RequestValidationInput{
		Request: clone, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
		i.mistake(r, err)
	}
	if unknown := unknownFields(route.Operation, body); unknown != nil {
		i.mistake(r, fmt.Errorf("unknown fields %v", unknown))
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen[route.Operation.OperationID]++
	return input
}

func (i *inspector) answer(r *http.Request, input *openapi3filter.RequestValidationInput, w *httptest.ResponseRecorder) {
	if input == nil || w.Code/100 != 2 {
		return // Twilio describes no errors
	}
	err := openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: w.Code, Header: w.Header(),
		Body:    io.NopCloser(bytes.NewReader(w.Body.Bytes())),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		i.mistake(r, err)
	}
}

func (i *inspector) mistake(r *http.Request, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.mistakes = append(i.mistakes, r.Method+" "+r.URL.String()+": "+err.Error())
}

func TestRequestsAndAnswersAreAsTwilioDescribesThem(t *testing.T) {
	t.Parallel()
	i := newInspector(t)
	i.answers = true
	r := newRig(t, nil, i.wrap)
	r.twilio.Script(string(ada), twiliotest.Behaviour{
		Create: []twiliotest.Fault{{Status: 500, Accept: true}}, All: twiliotest.Delivery{Lose: true}, End: "busy",
	})
	require.NoError(t, r.dial(t, r.call("lost", ada)).err)
	r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: twiliotest.Forever, Callbacks: map[string]twiliotest.Delivery{"end": {Lose: true}}})
	call := r.call("long", ada)
	call.MaxDuration = 500 * time.Millisecond
	long := r.dial(t, call)
	require.NoError(t, long.err)
	call.Ref = long.outcome.Ref
	require.NoError(t, begin(t, r.Resume, call).over().err)
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, operation := range []string{"CreateCall", "ListCall", "UpdateCall", "FetchCall"} {
		require.Positive(t, i.seen[operation], operation)
	}
}

func TestInspectorFindsMistakes(t *testing.T) {
	t.Parallel()
	i := newInspector(t)
	for _, body := range []string{
		"From=%2B442071838750",                                // no To
		"To=%2B14155550123&From=%2B442071838750&Timeout=soon", // no number
		"To=%2B14155550123&From=%2B442071838750&Twimll=x",     // no such field
	} {
		r := httptest.NewRequest(http.MethodPost, "/2010-04-01/Accounts/"+account+"/Calls.json", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		i.request(r, []byte(body))
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	require.Len(t, i.mistakes, 3)
	i.mistakes = nil
}

package httpapi_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch/httpapi"
)

// conforming is a transport that compares whatever passes it with openapi.yaml. An answer with a status, a header or
// a field that the document does not have is an error, as is a request that it does not allow and the
// server accepts.
type conforming struct {
	next http.RoundTripper
	doc  *openapi3.T

	mu   sync.Mutex
	seen map[string]int // requests by operation and status
}

func newConforming(t *testing.T, next http.RoundTripper) *conforming {
	t.Helper()
	doc := load(t, httpapi.OpenAPI())
	for _, schema := range answerSchemas(doc) {
		closeObject(schema)
	}
	return &conforming{next: next, doc: doc, seen: map[string]int{}}
}

func load(t *testing.T, text []byte) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(text)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	return doc
}

// answerSchemas are those that only answers have.
func answerSchemas(doc *openapi3.T) []*openapi3.Schema {
	var found []*openapi3.Schema
	for name, ref := range doc.Components.Schemas {
		if !slices.Contains([]string{"AgentCallBatchRequest", "AgentOutboundCallItem", "BatchPatch"}, name) {
			found = append(found, ref.Value)
		}
	}
	return found
}

// closeObject forbids fields that are not described. Clients must bear them, tests must not.
func closeObject(s *openapi3.Schema) {
	if len(s.Properties) == 0 {
		return
	}
	no := false
	s.AdditionalProperties = openapi3.AdditionalProperties{Has: &no}
	for _, p := range s.Properties {
		if p.Ref == "" {
			closeObject(p.Value)
		}
	}
}

func (c *conforming) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
		if len(sent) == 0 {
			r.Body = http.NoBody
		}
	}
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if err := c.compare(r, sent, resp); err != nil {
		return nil, errors.Join(fmt.Errorf("%s %s, answered with %d, is not as in openapi.yaml: %w",
			r.Method, r.URL.Path, resp.StatusCode, err), resp.Body.Close())
	}
	return resp, nil
}

func (c *conforming) compare(r *http.Request, sent []byte, resp *http.Response) error {
	route, params := c.route(r)
	response := c.response(route, resp.StatusCode)
	if response == nil {
		return errors.New("the status is not documented")
	}
	c.note(route, resp.StatusCode)
	if err := headersOf(response, resp.Header); err != nil {
		return err
	}
	if resp.StatusCode < 300 {
		if err := acceptable(r, sent, route, params); err != nil {
			return err
		}
	}
	if r.Method == http.MethodHead {
		return nil
	}
	return bodyOf(r, route, response, resp)
}

func (c *conforming) note(route *routers.Route, status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if route.Operation != nil {
		c.seen[fmt.Sprintf("%s %d", route.Operation.OperationID, status)]++
	}
}

// route finds what the document says about a request. Its operation is nil where that is nothing.
func (c *conforming) route(r *http.Request) (*routers.Route, map[string]string) {
	route := &routers.Route{Spec: c.doc, Method: r.Method}
	var params map[string]string
	for _, path := range c.doc.Paths.InMatchingOrder() { // those without parameters first
		var ok bool
		if params, ok = matches(path, r.URL.EscapedPath()); ok {
			route.Path, route.PathItem = path, c.doc.Paths.Value(path)
			break
		}
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if route.PathItem != nil {
		route.Operation = route.PathItem.GetOperation(method)
	}
	return route, params
}

func matches(pattern, path string) (map[string]string, bool) {
	params := map[string]string{}
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return nil, false
	}
	for i := range want {
		if name, ok := strings.CutPrefix(want[i], "{"); ok && have[i] != "" {
			params[strings.TrimSuffix(name, "}")], _ = url.PathUnescape(have[i])
		} else if want[i] != have[i] {
			return nil, false
		}
	}
	return params, true
}

// response is what the document says about a status. Paths and methods that it does not describe
// have the answers that need no more of it than that.
func (c *conforming) response(route *routers.Route, status int) *openapi3.Response {
	if route.Operation != nil {
		if ref := route.Operation.Responses.Status(status); ref != nil {
			return ref.Value
		}
		return nil
	}
	name := map[int]string{401: "Unauthenticated", 404: "NotFound", 405: "MethodNotAllowed", 429: "RateLimited"}[status]
	if name == "" || (status == http.StatusMethodNotAllowed) != (route.PathItem != nil) && status != http.StatusUnauthorized {
		return nil
	}
	return c.doc.Components.Responses[name].Value
}

// headersOf looks for headers that are missing, wrong or not described.
func headersOf(response *openapi3.Response, header http.Header) error {
	for name, ref := range response.Headers {
		value := header.Get(name)
		if value == "" {
			if ref.Value.Required {
				return fmt.Errorf("the header %s is missing", name)
			}
			continue
		}
		if schema := ref.Value.Schema.Value; schema.Type.Is("string") {
			if err := schema.VisitJSONString(value); err != nil {
				return fmt.Errorf("the header %s: %w", name, err)
			}
		}
	}
	for name := range header {
		described := slices.ContainsFunc(slices.Collect(maps.Keys(response.Headers)), func(h string) bool {
			return http.CanonicalHeaderKey(h) == name
		})
		if !described && !slices.Contains([]string{"Content-Type", "Content-Length", "Date", "Connection"}, name) {
			return fmt.Errorf("the header %s is not documented", name)
		}
	}
	return nil
}

// acceptable says that the document allows a request that was accepted.
func acceptable(r *http.Request, sent []byte, route *routers.Route, params map[string]string) error {
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(sent))
	r.URL.RawQuery = apart(r.URL.Query()).Encode()
	if len(sent) == 0 {
		r.Body = http.NoBody
	} else if len(route.Operation.RequestBody.Value.Content) == 1 {
		r.Header.Set("Content-Type", "application/json") // which is not asked of a body that says nothing
	}
	if r.Method == http.MethodHead {
		r.Method = http.MethodGet
	}
	//nolint:contextcheck // it is the request's own
	return openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true},
	})
}

// apart writes a,b as two parameters, which means the same and is the way that the document can say.
func apart(query url.Values) url.Values {
	for _, name := range []string{"status", "end_reason"} {
		if query.Has(name) {
			query[name] = strings.Split(strings.Join(query[name], ","), ",")
		}
	}
	return query
}

// bodyOf compares the body. Events and files are looked at no further than their type.
func bodyOf(r *http.Request, route *routers.Route, response *openapi3.Response, resp *http.Response) error {
	kind := resp.Header.Get("Content-Type")
	media := response.Content.Get(kind)
	if media == nil {
		return fmt.Errorf("the content type %q is not documented", kind)
	}
	if kind != "application/json" {
		return nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if !jsontext.Value(body).IsValid() { // as of RFC 7493: no name twice, valid UTF-8
		return errors.New("the body is no strict JSON")
	}
	described := &openapi3.Operation{Responses: openapi3.NewResponses(
		openapi3.WithStatus(resp.StatusCode, &openapi3.ResponseRef{Value: &openapi3.Response{Content: response.Content}}))}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: r, Route: &routers.Route{Spec: route.Spec, Operation: described},
		},
		Status: resp.StatusCode, Header: resp.Header,
	}
	return openapi3filter.ValidateResponse(r.Context(), input.SetBodyBytes(body))
}

package contracttest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// caller is whose key a request has.
type caller int

const (
	owner caller = iota
	other
	exhausted
	nobody
)

const (
	firstVersion  = "2026-03-01"
	secondVersion = "2026-08-14"

	batches = "/agents/calls/batches"
)

// request is one as a story writes it, with <names> in its path, headers and body.
type request struct {
	method, path string
	caller       caller
	body         string
	savedBody    string            // name of the answer whose body is sent
	large        func(Harness) int // bytes of white space behind the body
	headers      []string          // Name: value
	removed      []string          // names of headers that every request has otherwise
}

func get(path string) request { return request{method: http.MethodGet, path: path} }

func head(path string) request { return request{method: http.MethodHead, path: path} }

func post(path string, body ...string) request {
	return request{method: http.MethodPost, path: path, body: strings.Join(body, "")}
}

func patch(path, body string) request {
	return request{method: http.MethodPatch, path: path, body: body}
}

func (r request) as(c caller) request {
	r.caller = c
	return r
}

// with adds a header, beside one of the same name that is there already.
func (r request) with(header string) request {
	r.headers = append(slices.Clip(r.headers), header)
	return r
}

// instead replaces a header that every request has.
func (r request) instead(header string) request {
	name, _, _ := strings.Cut(header, ":")
	return r.without(name).with(header)
}

func (r request) without(name string) request {
	r.headers = slices.DeleteFunc(slices.Clone(r.headers), func(h string) bool {
		return strings.HasPrefix(strings.ToLower(h), strings.ToLower(name)+":")
	})
	r.removed = append(slices.Clip(r.removed), name)
	return r
}

func (r request) version(v string) request { return r.instead("Cartesia-Version: " + v) }

// send sends the request. Of a stream it reads that many events.
func (s *teller) send(ctx context.Context, r request, events int) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	hr, err := http.NewRequestWithContext(ctx, r.method, s.BaseURL+s.fill(r.path), s.bodyOf(r))
	if err != nil {
		return answer{}, fmt.Errorf("a request that cannot be sent: %w", err)
	}
	s.setHeaders(hr, r)
	resp, err := s.Client.Do(hr)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	var body []byte
	if events > 0 {
		body, err = readEvents(resp.Body, events)
	} else {
		body, err = io.ReadAll(resp.Body)
	}
	if err != nil {
		return answer{}, fmt.Errorf("reading the answer, %d bytes in: %w", len(body), err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: body, sentID: hr.Header.Get("X-Request-ID")}, nil
}

func (s *teller) bodyOf(r request) io.Reader {
	text := s.fill(r.body)
	if r.savedBody != "" {
		text = string(s.bodies[r.savedBody])
	}
	if r.large != nil {
		text += strings.Repeat(" ", r.large(s.Harness))
	}
	if text == "" {
		return http.NoBody
	}
	return strings.NewReader(text)
}

func (s *teller) setHeaders(hr *http.Request, r request) {
	key := map[caller]string{owner: s.Key, other: s.OtherKey, exhausted: s.ExhaustedKey}[r.caller]
	if key != "" {
		hr.Header.Set("Authorization", "Bearer "+key)
	}
	hr.Header.Set("Cartesia-Version", firstVersion)
	if hr.Body != nil && hr.Body != http.NoBody {
		hr.Header.Set("Content-Type", "application/json")
	}
	for _, name := range r.removed {
		hr.Header.Del(name)
	}
	for _, h := range r.headers {
		name, value, _ := strings.Cut(h, ":")
		hr.Header.Add(name, s.fill(strings.TrimSpace(value)))
	}
}

// readEvents reads a stream of server-sent events up to the blank line behind the n-th.
func readEvents(stream io.Reader, n int) ([]byte, error) {
	var text bytes.Buffer
	lines := bufio.NewReader(stream)
	for pending := false; n > 0; {
		line, err := lines.ReadString('\n')
		text.WriteString(line)
		switch {
		case err != nil:
			return text.Bytes(), errors.Join(fmt.Errorf("%d more events were expected", n), err)
		case strings.HasPrefix(line, "data:"):
			pending = true
		case line == "\n" && pending:
			pending = false
			n--
		}
	}
	return text.Bytes(), nil
}

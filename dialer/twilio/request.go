package twilio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twilio/twilio-go/client"
)

const (
	// maxAnswer is more than a page of 50 calls.
	maxAnswer = 1 << 20

	// mostRest keeps a carrier from resting for longer because of an odd header.
	mostRest = 10 * time.Minute
)

// request is one request that twilio-go makes, and what it hides: a context, whether anything was
// sent, and the headers of an error. It is a client.BaseClient, made for each request.
type request struct {
	//nolint:containedctx // twilio-go's interface has no place for it
	ctx     context.Context
	account *account

	traced    atomic.Bool // the transport tells of its connections
	connected atomic.Bool // there was a connection, so something may have been sent
}

var _ client.BaseClient = (*request)(nil)

func (r *request) AccountSid() string       { return r.account.config.AccountSID }
func (r *request) SetTimeout(time.Duration) {}
func (r *request) SetOauth(client.OAuth)    {}
func (r *request) OAuth() client.OAuth      { return nil }

// SendRequest reads the whole answer, so that one that breaks off is an error here. What Twilio refuses for who asked
// was not carried out, so it may be asked for again by other credentials of the account.
func (r *request) SendRequest(
	method, rawURL string, data url.Values, headers map[string]any, _ ...byte,
) (*http.Response, error) {
	present := *r.account.credentials.Load()
	response, err := r.send(present, method, rawURL, data, headers)
	others, has := r.account.others(present)
	if err == nil || !has || asFailure(err).fate != barred {
		return response, err
	}
	r.connected.Store(false)
	again, lost := r.send(others, method, rawURL, data, headers)
	switch {
	case lost == nil:
		r.account.credentials.Store(&others)
	case asFailure(lost).fate == barred:
		return nil, err
	}
	return again, lost
}

func (r *request) send(
	by credentials, method, rawURL string, data url.Values, headers map[string]any,
) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.account.config.Timing.Request)
	defer cancel()
	req, err := r.build(ctx, method, rawURL, data, headers)
	if err != nil {
		return nil, &failure{fate: notSent, cause: err}
	}
	if ctx.Err() != nil {
		return nil, &failure{fate: notSent, cause: context.Cause(ctx)}
	}
	req.SetBasicAuth(by.user, by.password)
	begun := time.Now()
	response, err := r.account.http.Do(req)
	if err != nil {
		return nil, r.broken(err)
	}
	defer response.Body.Close()
	r.account.learnClock(response.Header, begun)
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case response.StatusCode/100 != 2:
		return nil, judge(response, body)
	case err != nil:
		return nil, &failure{fate: unknown, status: response.StatusCode, cause: withoutURL(err)}
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func (r *request) build(
	ctx context.Context, method, rawURL string, data url.Values, headers map[string]any,
) (*http.Request, error) {
	u, err := r.account.address(rawURL)
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if method == http.MethodGet {
		u.RawQuery = data.Encode()
	} else {
		body = strings.NewReader(data.Encode())
	}
	trace := &httptrace.ClientTrace{
		GetConn: func(string) { r.traced.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { r.connected.Store(true) },
	}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), method, u.String(), body)
	if err != nil {
		return nil, withoutURL(err)
	}
	for name, value := range headers {
		req.Header.Set(name, fmt.Sprint(value))
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "outdial twilio-go/"+client.LibraryVersion)
	return req, nil
}

// broken is a request without an answer. Without a connection nothing was sent; with one, a byte
// may have been. A transport that does not say which is none to tell by.
func (r *request) broken(err error) *failure {
	if r.traced.Load() && !r.connected.Load() {
		return &failure{fate: notSent, cause: withoutURL(err)}
	}
	return &failure{fate: unknown, cause: withoutURL(err)}
}

// withoutURL drops the account's SID and the numbers that the URL has.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

// judge says what an answer that is no success means.
func judge(response *http.Response, body []byte) *failure {
	f := &failure{status: response.StatusCode, after: retryAfter(response.Header)}
	var told client.TwilioRestError
	if json.Unmarshal(body, &told) == nil {
		f.code, f.message = told.Code, told.Message
	}
	f.fate = fateOf(f.status, f.code)
	return f
}

// retryAfter reads seconds or a date (RFC 9110, section 10.2.3).
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return min(max(0, time.Duration(min(seconds, 1e6))*time.Second), mostRest)
	}
	if at, err := http.ParseTime(value); err == nil {
		now, err := http.ParseTime(header.Get("Date")) // by the clock that the other date is by
		if err != nil {
			now = time.Now()
		}
		return min(max(0, at.Sub(now)), mostRest)
	}
	return 0
}

package httpapi

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The headers that a key can come in, and the one that names the version.
const (
	headerAuthorization = "Authorization"
	headerKey           = "X-Api-Key"
	headerVersion       = "Cartesia-Version"
)

// admit finds out whose request it is, and whether it comes too soon after others.
func (f *front) admit(x *exchange, r *request) error {
	org, err := f.cfg.Authenticate(r.Request)
	switch {
	case errors.Is(err, ErrUnauthenticated):
		return unauthenticated()
	case err != nil:
		return fmt.Errorf("authenticating: %w", err)
	case org == "":
		return errors.New("Config.Authenticate returned an empty organisation")
	}
	x.org, r.org = org, org
	if wait := f.limiter.take(bucketOf(r.Request, org), time.Now()); wait > 0 {
		return &problem{
			status: http.StatusTooManyRequests, code: CodeRateLimited, title: "Too many requests",
			message:    "This key makes more requests than it may. Retry-After tells when the next one is due.",
			retryAfter: wait,
		}
	}
	return nil
}

func unauthenticated() *problem {
	return &problem{
		status: http.StatusUnauthorized, code: CodeUnauthenticated, title: "Unauthenticated",
		message: "Expected a valid API key, as Authorization: Bearer KEY or as X-API-Key: KEY.",
		header:  http.Header{"Www-Authenticate": {"Bearer"}}, // RFC 9110, section 11.6.1: a 401 must have one
	}
}

// bucketOf names what requests are counted by: the organisation together with the credential,
// which is kept as a hash only. Requests with no credential, or with two that differ, count
// together for their organisation: a host's Authenticate may look at one of the two headers, and
// a client that makes up the other one anew each time must not get a new bucket for it.
func bucketOf(r *http.Request, org string) bucket {
	bearer, plain := r.Header.Values(headerAuthorization), r.Header.Values(headerKey)
	credential, err := presented(r)
	if err != nil && len(bearer) == 1 && len(plain) == 0 {
		scheme, rest, _ := strings.Cut(bearer[0], " ")
		credential = strings.ToLower(scheme) + " " + rest
	}
	return bucket{org: org, credential: sha256.Sum256([]byte(credential))}
}

// presented is the API key that a request comes with, wherever it stands, if it is one.
func presented(r *http.Request) (string, error) {
	bearer, plain := r.Header.Values(headerAuthorization), r.Header.Values(headerKey)
	if len(bearer) > 1 || len(plain) > 1 || len(bearer)+len(plain) == 0 {
		return "", ErrUnauthenticated
	}
	var keys []string
	if len(bearer) == 1 {
		scheme, token, _ := strings.Cut(bearer[0], " ")
		if !strings.EqualFold(scheme, "Bearer") { // RFC 9110, section 11.1
			return "", ErrUnauthenticated
		}
		keys = append(keys, strings.Trim(token, " "))
	}
	keys = append(keys, plain...)
	key := keys[0]
	if keys[len(keys)-1] != key || key == "" || len(key) > maxAPIKey {
		return "", ErrUnauthenticated
	}
	return key, nil
}

// version is the version of the API that a request asks for, exactly once.
func version(r *http.Request) (string, error) {
	given := r.Header.Values(headerVersion)
	if len(given) == 1 && slices.Contains(versions(), given[0]) {
		return given[0], nil
	}
	return "", &problem{
		status: http.StatusBadRequest, code: CodeInvalidVersion, title: "Invalid version",
		message: "Expected the header " + headerVersion + " once, as one of: " + strings.Join(versions(), ", ") + ".",
	}
}

package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/outdial/outdial/batch"
)

// Code names what is wrong with a request, for programs. The list is closed: a new one
// comes with a new version of the API.
type Code string

// The codes, each with its status.
const (
	CodeInvalidRequest   Code = "invalid_request"        // 400: fields are wrong, see errors
	CodeInvalidJSON      Code = "invalid_json"           // 400: the body cannot be read
	CodeInvalidVersion   Code = "invalid_version"        // 400: the Cartesia-Version header
	CodeBatchCancelled   Code = "batch_cancelled"        // 400: a cancelled batch cannot be retried
	CodeCallOver         Code = "call_over"              // 400: a call that is over cannot be cancelled
	CodeUnauthenticated  Code = "unauthenticated"        // 401
	CodeUsageLimit       Code = "usage_limit_reached"    // 402
	CodeNotFound         Code = "not_found"              // 404
	CodeMethodNotAllowed Code = "method_not_allowed"     // 405
	CodeTimeout          Code = "request_timeout"        // 408: the body came too slowly
	CodeKeyInUse         Code = "idempotency_key_in_use" // 409
	CodeBodyTooLarge     Code = "body_too_large"         // 413
	CodeMediaType        Code = "unsupported_media_type" // 415
	CodeKeyReused        Code = "idempotency_key_reused" // 422
	CodeRateLimited      Code = "rate_limited"           // 429
	CodeInternal         Code = "internal_error"         // 500
	CodeOverloaded       Code = "overloaded"             // 503: no room for the body now
)

// problem is an answer that is an error.
type problem struct {
	status  int
	code    Code
	title   string
	message string
	fields  []batch.FieldError // empty: it is no matter of fields

	retryAfter time.Duration // 0: no Retry-After
	closing    bool          // the connection cannot be used any more
	header     http.Header   // what else belongs to the answer; nil: nothing
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s: %s", p.status, p.code, p.message) }

// invalid is a request of which fields are wrong.
func invalid(fields ...batch.FieldError) *problem {
	return &problem{
		status: http.StatusBadRequest, code: CodeInvalidRequest, title: "Invalid request",
		message: (&batch.InvalidError{Fields: fields}).Error(), fields: fields,
	}
}

func notFound(what string) *problem {
	return &problem{
		status: http.StatusNotFound, code: CodeNotFound, title: "Not found",
		message: "The organisation has no such " + what + ".",
	}
}

// problemOf finds the answer to an error. Nil: nobody is there to get one. What is no fault
// of the request becomes 500, without a word of what went wrong inside.
func problemOf(ctx context.Context, err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if e, ok := errors.AsType[*batch.InvalidError](err); ok {
		return invalid(e.Fields...)
	}
	switch {
	case errors.Is(err, batch.ErrNotFound):
		return notFound("thing")
	case errors.Is(err, batch.ErrUsageLimit):
		return &problem{
			status: http.StatusPaymentRequired, code: CodeUsageLimit, title: "Usage limit reached",
			message: "The organisation has reached its usage limit.",
		}
	case errors.Is(err, batch.ErrKeyReused):
		return &problem{
			status: http.StatusUnprocessableEntity, code: CodeKeyReused, title: "Idempotency key reused",
			message: "The Idempotency-Key was used for another request. Use a new one for each request.",
		}
	case errors.Is(err, batch.ErrBatchCancelled):
		return &problem{
			status: http.StatusBadRequest, code: CodeBatchCancelled, title: "Batch cancelled",
			message: "A cancelled batch cannot be retried.",
		}
	case errors.Is(err, batch.ErrCallOver):
		return &problem{
			status: http.StatusBadRequest, code: CodeCallOver, title: "Call over",
			message: "The call is over.",
		}
	}
	select {
	case <-ctx.Done():
		return nil
	default:
		return internalError(harmless)
	}
}

// repeating is what sending a request once more would do, after one of which nobody can tell
// whether it was carried out.
type repeating int

const (
	harmless repeating = iota // the same again, or nothing
	underKey                  // nothing, under the same Idempotency-Key
	harmful                   // it would call people twice
)

// headerShouldRetry tells clients not to repeat a request by themselves. It is no standard. The ones
// that Stainless generates repeat 408, 409, 429 and everything from 500 on, whatever the method,
// unless this header says false: see _should_retry in src/cartesia/_base_client.py of
// github.com/cartesia-ai/cartesia-python, which is what many clients of this API are.
const headerShouldRetry = "X-Should-Retry"

func internalError(r repeating) *problem {
	p := &problem{status: http.StatusInternalServerError, code: CodeInternal, title: "Internal error"}
	switch r {
	case harmless:
		p.message = "Something went wrong here. The request may be repeated."
	case underKey:
		p.message = "Something went wrong here, and it is not known whether this was done. " +
			"Repeat the request with the same Idempotency-Key."
	case harmful:
		p.message = "Something went wrong here, and it is not known whether this was done. " +
			"Read what there is before you repeat the request: without an Idempotency-Key it may be done twice."
		p.header = http.Header{headerShouldRetry: {"false"}}
	}
	return p
}

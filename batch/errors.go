package batch

import (
	"errors"
	"fmt"
	"strings"

	"github.com/outdial/outdial/store"
)

// The errors that a host branches on, with errors.Is. A request that ends with one of
// these has changed nothing.
var (
	// ErrNotFound: the organisation has no such batch, recipient, call, agent or number.
	ErrNotFound = store.ErrNotFound

	// ErrUsageLimit: the organisation has reached its usage limit.
	ErrUsageLimit = errors.New("the organisation has reached its usage limit")

	// ErrBatchCancelled: a cancelled batch cannot be retried.
	ErrBatchCancelled = store.ErrBatchCancelled

	// ErrKeyReused: the idempotency key belongs to a different request.
	ErrKeyReused = errors.New("the idempotency key was used for another request")

	// ErrCallOver: a call that is over cannot be cancelled.
	ErrCallOver = errors.New("the call is over")

	// ErrRunning: Run was called on an engine that runs or has run.
	ErrRunning = errors.New("the engine runs already or has run")
)

// FieldError says what is wrong with one field of a request.
type FieldError struct {
	Path    string // as the HTTP contract names it: recipients[17].to_number
	Message string // what was expected
}

func (e FieldError) Error() string { return e.Path + ": " + e.Message }

// InvalidError lists every field of a request that cannot be accepted, in the
// order of the request. Nothing was changed.
type InvalidError struct {
	Fields []FieldError
}

// Error names the first few fields and counts the rest.
func (e *InvalidError) Error() string {
	const shown = 5
	parts := make([]string, 0, shown+1)
	for i, f := range e.Fields {
		if i == shown {
			parts = append(parts, fmt.Sprintf("and %d more", len(e.Fields)-shown))
			break
		}
		parts = append(parts, f.Error())
	}
	return "invalid request: " + strings.Join(parts, "; ")
}

// MissingError lists the fields of a request that name what the organisation does not have. It
// is ErrNotFound, and nothing was changed.
type MissingError struct {
	Fields []FieldError
}

func (e *MissingError) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Error()
	}
	return ErrNotFound.Error() + ": " + strings.Join(parts, "; ")
}

func (e *MissingError) Unwrap() error { return ErrNotFound }

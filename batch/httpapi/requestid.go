package httpapi

import (
	"net/http"

	"github.com/google/uuid"
)

// The header that carries the id of a request, in both directions.
const headerRequestID = "X-Request-ID"

// requestID is the client's own id for the request where it has one that can be believed to be
// unique, and that is harmless in a log: one UUID in the form of RFC 9562, section 4,
// in lower case. Else it is a new one.
func requestID(r *http.Request) string {
	if given := r.Header.Values(headerRequestID); len(given) == 1 {
		if id, err := uuid.Parse(given[0]); err == nil && id.String() == given[0] {
			return given[0]
		}
	}
	return uuid.NewString()
}
